const LINE_FEED = 0x0a
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const FENCE = /^---[ \t]*\r?\n?$/
const FENCE_BYTES_MAX = 64

/** Where the frontmatter of a text stands, in bytes. The lines of the block are those from `inner` to `close`. */
export interface Frontmatter {
  /** Of the opening fence, behind a byte order mark. */
  readonly open: number
  readonly inner: number
  /** Of the closing fence. */
  readonly close: number
  /** Of what follows the block. */
  readonly body: number
}

/**
 * Finds the frontmatter at the beginning of a text: a line `---`, lines, and a line `---`, each fence with blanks behind
 * it at most; CRLF or LF. Undefined where there is none or it never closes.
 */
export function findFrontmatter(text: Buffer): Frontmatter | undefined {
  const open = textStart(text)
  const inner = lineEnd(text, open)
  if (!isFence(text, open, inner) || text[inner - 1] !== LINE_FEED) return undefined
  for (let at = inner; at < text.length;) {
    const end = lineEnd(text, at)
    if (isFence(text, at, end)) return { open, inner, close: at, body: end }
    at = end
  }
  return undefined
}

/** Where a text begins behind its byte order mark. */
export function textStart(text: Buffer): number {
  return text.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
}

/** How the line from `at` on ends. */
export function lineEnding(text: Buffer, at: number): '\n' | '\r\n' {
  const end = text.indexOf(LINE_FEED, at)
  return end > at && text[end - 1] === 0x0d ? '\r\n' : '\n'
}

function lineEnd(text: Buffer, at: number): number {
  const end = text.indexOf(LINE_FEED, at)
  return end === -1 ? text.length : end + 1
}

function isFence(text: Buffer, from: number, to: number): boolean {
  // Cheap first: the lines of a large body are looked at too.
  if (text[from] !== 0x2d || to - from > FENCE_BYTES_MAX) return false
  return FENCE.test(text.toString('latin1', from, to))
}
