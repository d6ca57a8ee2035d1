import type { S3Request } from './s3-request.js'

const CONTENTS = /<Contents>.*?<\/Contents>/gs
const KEY = /<Key>(.*?)<\/Key>/s

/** What a store that is behind would list: it remembers the answers that passed, and which keys are young. */
export class StaleLists {
  readonly #answers = new Map<string, Buffer>()
  readonly #putAtMs = new Map<string, number>()

  /** Notes that a key is written now. */
  wrote({ key }: S3Request): void {
    this.#putAtMs.set(key, performance.now())
  }

  /** Notes a true answer. */
  remember(path: string, body: Buffer): Buffer {
    this.#answers.set(path, body)
    return body
  }

  /** What the same question was answered before; where it was not asked before, the answer without the keys written since. */
  asOf(path: string, body: Buffer, ageMs: number): Buffer {
    const before = this.#answers.get(path)
    if (before !== undefined) return before
    const since = performance.now() - ageMs
    const isYoung = (contents: string): boolean =>
      (this.#putAtMs.get(unescaped(KEY.exec(contents)?.[1] ?? '')) ?? Number.NEGATIVE_INFINITY) > since
    return Buffer.from(body.toString().replace(CONTENTS, (contents) => (isYoung(contents) ? '' : contents)))
  }
}

function unescaped(xml: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return xml.replace(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
      return named[name ?? ''] ?? whole
    },
  )
}
