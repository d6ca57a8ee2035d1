import {
  AgentfsError,
  isAgentfsError,
  PART_BYTES_MAX,
  RETRIABLE,
  uuidv7,
  type Stat,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Http } from './http.js'
import type { SyncRoutes } from './sync.js'
import type { WriteBody, WriteOptions } from './write-options.js'

/** What can be uploaded: bytes, a Blob or File, or a stream of bytes, which is read once. */
export type UploadSource = Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

/** Bytes of a file, 1 MiB but for the last, with their memory for themselves. */
type Piece = Uint8Array<ArrayBuffer>

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes that the service has, or that are zeros and need not be sent. */
  readonly bytes: number
  /** Of how many; null while a stream has not ended. */
  readonly bytesOf: number | null
}

/** How a large file is sent. */
export interface UploadOptions extends Omit<WriteOptions, 'timeoutMs'> {
  readonly onProgress?: (progress: UploadProgress) => void
  /** How long a part is tried again while the service cannot be reached or is busy; 120,000 where absent. */
  readonly retryMs?: number
  /** Parts that are sent at once, each of 1 MiB, and held until they are answered; 4 where absent. */
  readonly parallel?: number
}

/** Where an upload goes. */
export interface UploadTarget {
  readonly http: Http
  readonly base: string
  /** The files of the agent, as `Files` has them. */
  readonly files: {
    stat(path: string): Promise<Stat>
    write(path: string, body: WriteBody, options?: WriteOptions): Promise<WriteAnswer>
  }
  readonly sync: Pick<SyncRoutes, 'putPart' | 'missingParts'>
}

const RETRY_FIRST_MS = 200
const RETRY_MOST_MS = 5_000
/** How long a file may take that goes up in one request. */
const WHOLE_MS = 24 * 3_600_000

/**
 * Writes a whole file of any size by parts of 1 MiB: each is sent again by itself when the connection drops, and none that
 * arrived. The file changes once, when all are there. Parts of zeros are holes and not sent. Up to 1 MiB it is one PUT. The
 * source is closed when the upload ends, however it does.
 */
export async function upload(
  target: UploadTarget,
  path: string,
  source: UploadSource,
  options: UploadOptions = {},
): Promise<WriteAnswer> {
  const pieces = untilAborted(piecesOf(source), options.signal)
  try {
    return await uploadPieces(target, path, pieces, knownSize(source), options)
  } finally {
    await pieces.return(undefined)
  }
}

async function uploadPieces(
  target: UploadTarget,
  path: string,
  pieces: AsyncGenerator<Piece, undefined>,
  bytesOf: number | null,
  options: UploadOptions,
): Promise<WriteAnswer> {
  const first = await pieces.next()
  const second = first.done === true ? first : await pieces.next()
  if (first.done === true || second.done === true) {
    const bytes = first.done === true ? new Uint8Array(0) : first.value
    options.onProgress?.({ bytes: 0, bytesOf: bytes.length })
    const answer = await target.files.write(path, bytes, withoutUndefined(options))
    options.onProgress?.({ bytes: bytes.length, bytesOf: bytes.length })
    return answer
  }
  if (!(await takesParts(target, options.signal))) {
    const body = ReadableStream.from(chained(first.value, second.value, pieces))
    return target.files.write(path, body, { ...withoutUndefined(options), timeoutMs: WHOLE_MS })
  }
  const parts = new PartUpload(target, await nodeAt(target, path), bytesOf, options)
  await parts.add(first.value)
  await parts.add(second.value)
  for await (const piece of pieces) await parts.add(piece)
  return parts.compose(path)
}

/** The parts of one upload, a few of them under way. */
class PartUpload {
  readonly #target: UploadTarget
  readonly #node: string
  readonly #bytesOf: number | null
  readonly #options: UploadOptions
  readonly #parts: (string | null)[] = []
  readonly #underWay = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #size = 0
  #arrived = 0

  constructor(target: UploadTarget, node: string, bytesOf: number | null, options: UploadOptions) {
    this.#target = target
    this.#node = node
    this.#bytesOf = bytesOf
    this.#options = options
  }

  /** Takes the next piece; resolves when there is room for another one. */
  async add(piece: Piece): Promise<void> {
    const isFirst = this.#parts.every((part) => part === null)
    this.#size += piece.length
    if (piece.every((byte) => byte === 0)) {
      this.#parts.push(null)
      this.#tell(piece.length)
      return
    }
    const part = uuidv7()
    this.#parts.push(part)
    const sending = this.#send(part, piece)
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#underWay.delete(sending))
    this.#underWay.add(sending)
    // The first part makes the key that the others share.
    while (this.#underWay.size >= (isFirst ? 1 : (this.#options.parallel ?? 4)))
      await Promise.race(this.#underWay)
    await this.#check()
  }

  /** Makes the file of what went up. */
  async compose(path: string): Promise<WriteAnswer> {
    await Promise.all(this.#underWay)
    await this.#check()
    const { parents, ifMatch, createOnly, signal } = this.#options
    const idempotencyKey = uuidv7()
    return this.#retrying(() =>
      this.#target.http.json<WriteAnswer>('POST', `${this.#target.base}/compose`, {
        headers: {
          'idempotency-key': idempotencyKey,
          ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
          ...(createOnly === true ? { 'if-none-match': '*' } : {}),
        },
        json: { path, node: this.#node, size: this.#size, parts: this.#parts, parents },
        timeoutMs: 120_000,
        ...(signal === undefined ? {} : { signal }),
      }),
    )
  }

  async #check(): Promise<void> {
    this.#options.signal?.throwIfAborted()
    if (this.#failure === undefined) return
    await Promise.all(this.#underWay)
    throw this.#failure.error
  }

  async #send(part: string, piece: Piece): Promise<void> {
    const { signal } = this.#options
    await this.#retrying(() =>
      this.#target.sync.putPart(this.#node, part, piece, signal === undefined ? {} : { signal }),
    )
    this.#tell(piece.length)
  }

  /** Tries again what may pass: no answer, a busy service. Each call is safe to repeat. */
  async #retrying<T>(call: () => Promise<T>): Promise<T> {
    const until = performance.now() + (this.#options.retryMs ?? 120_000)
    for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(2 * waitMs, RETRY_MOST_MS)) {
      try {
        return await call()
      } catch (error) {
        const { signal } = this.#options
        signal?.throwIfAborted()
        if (!isAgentfsError(error) || !RETRIABLE.has(error.code)) throw error
        const seconds = error.details['retryAfterSeconds']
        const afterMs = typeof seconds === 'number' ? seconds * 1_000 : waitMs * (0.5 + Math.random() / 2)
        if (performance.now() + afterMs > until) throw error
        await sleep(afterMs, signal)
      }
    }
  }

  #tell(bytes: number): void {
    this.#arrived += bytes
    this.#options.onProgress?.({ bytes: this.#arrived, bytesOf: this.#bytesOf })
  }
}

/** False where the credential is limited to some paths: parts are of no path yet. */
async function takesParts({ sync }: UploadTarget, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await sync.missingParts([uuidv7()], signal)
    return true
  } catch (error) {
    if (isAgentfsError(error, 'forbidden')) return false
    throw error
  }
}

async function* chained<T>(first: T, second: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first
  yield second
  yield* rest
}

/** The file at a path, or an id for the one to come: parts are sealed with its key. */
async function nodeAt({ files }: UploadTarget, path: string): Promise<string> {
  try {
    return (await files.stat(path)).node
  } catch (error) {
    if (!isAgentfsError(error, 'not_found')) throw error
    return uuidv7()
  }
}

/**
 * What a generator gives, no longer than the upload goes on: an abort does not wait for a source that gives nothing. The
 * generator is closed with this one.
 */
async function* untilAborted<T>(
  given: AsyncGenerator<T, undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, undefined> {
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => undefined)
  const onAbort = (): void => aborted.reject(abortReason(signal))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      signal?.throwIfAborted()
      const next = await Promise.race([given.next(), aborted.promise])
      if (next.done === true) return undefined
      yield next.value
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // Not waited for: it may be what gives nothing.
    given.return(undefined).catch(() => undefined)
  }
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new AgentfsError('timeout', { detail: 'aborted' })
}

async function* piecesOf(source: UploadSource): AsyncGenerator<Piece, undefined> {
  let piece = new Uint8Array(PART_BYTES_MAX)
  let filled = 0
  for await (const chunk of chunksOf(source)) {
    for (let taken = 0; taken < chunk.length;) {
      const length = Math.min(chunk.length - taken, PART_BYTES_MAX - filled)
      piece.set(chunk.subarray(taken, taken + length), filled)
      taken += length
      filled += length
      if (filled < PART_BYTES_MAX) continue
      yield piece
      piece = new Uint8Array(PART_BYTES_MAX)
      filled = 0
    }
  }
  if (filled > 0) yield piece.slice(0, filled)
  return undefined
}

function chunksOf(source: UploadSource): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (source instanceof Uint8Array) return [source]
  return source instanceof Blob
    ? chunksOfStream(source.stream())
    : 'getReader' in source
      ? chunksOfStream(source)
      : source
}

/** Not every browser can iterate a stream. */
async function* chunksOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // One that was read to its end, or failed, has nothing to cancel.
    await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}

function knownSize(source: UploadSource): number | null {
  if (source instanceof Uint8Array) return source.length
  return source instanceof Blob ? source.size : null
}

function withoutUndefined({ ifMatch, createOnly, parents, signal }: UploadOptions): WriteOptions {
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(createOnly === undefined ? {} : { createOnly }),
    ...(parents === undefined ? {} : { parents }),
    ...(signal === undefined ? {} : { signal }),
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(abortReason(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
