import { isAgentfsError } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { retrying } from './retrying.js'

/** A version whose content is wanted. */
export interface WantedVersion {
  readonly node: string
  readonly version: string
  readonly size: number
}

/** A content: whole, in pieces that are fetched as they are consumed, or not to be had. */
export type Content =
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  | { readonly kind: 'pieces'; readonly pieces: AsyncIterable<Uint8Array> }
  | { readonly kind: 'missing'; readonly reason: string }

/** Content up to this many bytes is fetched with others in one request, as the service allows. */
export const SMALL_BYTES_MAX = 1_048_576
const BATCH_BYTES_MAX = 4 * 1_048_576
const BATCH_ITEMS_MAX = 200
const BATCHES_AHEAD = 4
const PIECE_BYTES = 8 * 1_048_576
const PIECES_AHEAD = 2

/** Fetches contents by version: many small ones in a request, large ones in ranges, some ahead; each request tried again. */
export class VersionContents {
  readonly #agent: AgentHandle
  readonly #signal: AbortSignal

  constructor(agent: AgentHandle, signal: AbortSignal) {
    this.#agent = agent
    this.#signal = signal
  }

  /** The contents of versions, in the order given. At most some 20 MiB of them are held at once. */
  async *inOrder<T extends WantedVersion>(
    wanted: Iterable<T>,
  ): AsyncGenerator<{ readonly item: T; readonly content: Content }> {
    const batches = batchesOf(wanted)[Symbol.iterator]()
    const ahead: { readonly batch: T[]; readonly contents: Promise<Content[]> }[] = []
    for (;;) {
      while (ahead.length < BATCHES_AHEAD) {
        const next = batches.next()
        if (next.done === true) break
        const contents = this.#batch(next.value)
        // Awaited below in its turn; a failure before that is no unhandled one.
        contents.catch(() => undefined)
        ahead.push({ batch: next.value, contents })
      }
      const first = ahead.shift()
      if (first === undefined) return
      const contents = await first.contents
      for (const [index, item] of first.batch.entries()) {
        const content = contents[index]
        if (content !== undefined) yield { item, content }
      }
    }
  }

  /** One content. */
  async one(wanted: WantedVersion): Promise<Content> {
    if (wanted.size > SMALL_BYTES_MAX) return { kind: 'pieces', pieces: this.#pieces(wanted) }
    return this.#single(wanted)
  }

  async #batch(batch: readonly WantedVersion[]): Promise<Content[]> {
    const [only] = batch
    if (only !== undefined && batch.length === 1) return [await this.one(only)]
    const items = batch.map(({ node, version }) => ({ node, version }))
    const answer = await retrying(this.#signal, () =>
      this.#agent.sync.contents({ reason: 'open', items }, this.#signal),
    )
    const found = new Map(answer.items.map(({ version, data }) => [version, data]))
    const contents: Content[] = []
    for (const item of batch) {
      const bytes = found.get(item.version)
      contents.push(bytes?.length === item.size ? { kind: 'whole', bytes } : await this.#single(item))
    }
    return contents
  }

  async #single(wanted: WantedVersion): Promise<Content> {
    try {
      const bytes = await retrying(this.#signal, () =>
        this.#agent.sync.content(wanted.node, wanted.version, undefined, this.#signal),
      )
      if (bytes.length === wanted.size) return { kind: 'whole', bytes }
      return { kind: 'missing', reason: `the service gave ${bytes.length} bytes of ${wanted.size}` }
    } catch (error) {
      return missing(error)
    }
  }

  async *#pieces({ node, version, size }: WantedVersion): AsyncGenerator<Uint8Array> {
    const ahead: Promise<Uint8Array>[] = []
    let asked = 0
    for (let given = 0; given < size;) {
      while (ahead.length < PIECES_AHEAD && asked < size) {
        const range = { offset: asked, length: Math.min(PIECE_BYTES, size - asked) }
        asked += range.length
        const piece = retrying(this.#signal, () =>
          this.#agent.sync.content(node, version, range, this.#signal),
        )
        piece.catch(() => undefined)
        ahead.push(piece)
      }
      const piece = await ahead.shift()
      if (piece === undefined || piece.length === 0)
        throw new Error('the service gave less than the whole file')
      given += piece.length
      yield piece
    }
  }
}

function missing(error: unknown): Content {
  if (isAgentfsError(error, 'not_found')) return { kind: 'missing', reason: 'no longer kept by the service' }
  if (isAgentfsError(error, 'object_corrupt')) return { kind: 'missing', reason: error.message }
  throw error
}

function* batchesOf<T extends WantedVersion>(wanted: Iterable<T>): Generator<T[]> {
  let batch: T[] = []
  let bytes = 0
  for (const item of wanted) {
    const alone = item.size > SMALL_BYTES_MAX
    if (
      batch.length > 0 &&
      (alone || bytes + item.size > BATCH_BYTES_MAX || batch.length === BATCH_ITEMS_MAX)
    ) {
      yield batch
      batch = []
      bytes = 0
    }
    if (alone) yield [item]
    else {
      batch.push(item)
      bytes += item.size
    }
  }
  if (batch.length > 0) yield batch
}
