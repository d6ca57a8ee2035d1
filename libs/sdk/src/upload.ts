import {
  AgentfsError,
  isAgentfsError,
  RETRIABLE,
  uuidv7,
  type Stat,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { Http } from './http.js'
import type { SyncRoutes } from './sync.js'
import { knownSize, type Piece, piecesOf, type UploadSource } from './upload-source.js'
import { arrivedParts, type BegunPart, sha256Hex, type UploadStore } from './upload-store.js'
import type { WriteBody, WriteOptions } from './write-options.js'

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
  /** Lets the upload go on where an earlier one of the same source to the same path was cut, in another process too. */
  readonly resume?: UploadStore
  /** Called once, before anything is sent, where parts of an earlier upload have arrived: `bytes` says how many. */
  readonly onResume?: (progress: UploadProgress) => void
}

/** Where an upload goes. */
export interface UploadTarget {
  readonly http: Http
  readonly base: string
  /** The files of the agent, as `Files` has them. */
  readonly files: {
    stat(path: string): Promise<Stat>
    versionsOfNode(node: string, options: { limit?: number }): Promise<unknown>
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
  const { node, arrived } = await beginning(target, path, options)
  if (arrived.size > 0) {
    const bytes = [...arrived.values()].reduce((sum, part) => sum + part.bytes, 0)
    options.onResume?.({ bytes, bytesOf })
  }
  const parts = new PartUpload(target, { node, arrived, bytesOf }, options)
  await parts.add(first.value)
  await parts.add(second.value)
  for await (const piece of pieces) await parts.add(piece)
  const answer = await parts.compose(path)
  await options.resume?.clear()
  return answer
}

/** Which file the parts are for, and those of an earlier upload that need not be sent. */
interface Beginning {
  readonly node: string
  readonly arrived: ReadonlyMap<number, BegunPart>
}

async function beginning(target: UploadTarget, path: string, options: UploadOptions): Promise<Beginning> {
  const begun = (await options.resume?.load()) ?? []
  const node = (await standingNode(target, path)) ?? (await plannedNode(target, begun)) ?? uuidv7()
  const own = begun.filter((part) => part.node === node)
  // Sealed for a file that is gone, or is another one by now.
  if (own.length === 0 && begun.length > 0) await options.resume?.clear()
  return { node, arrived: await arrivedParts(target.sync, own, options.signal) }
}

/** The parts of one upload, a few of them under way. */
class PartUpload {
  readonly #target: UploadTarget
  readonly #node: string
  readonly #known: ReadonlyMap<number, BegunPart>
  readonly #bytesOf: number | null
  readonly #options: UploadOptions
  readonly #parts: (string | null)[] = []
  readonly #underWay = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #size = 0
  #arrived = 0

  constructor(
    target: UploadTarget,
    { node, arrived, bytesOf }: Beginning & { readonly bytesOf: number | null },
    options: UploadOptions,
  ) {
    this.#target = target
    this.#node = node
    this.#known = arrived
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
    const { resume } = this.#options
    const index = this.#parts.length
    const sha256 = resume === undefined ? '' : await sha256Hex(piece)
    const known = this.#known.get(index)
    if (known?.sha256 === sha256) {
      this.#parts.push(known.part)
      this.#tell(piece.length)
      return
    }
    const part = uuidv7()
    this.#parts.push(part)
    await resume?.save({ node: this.#node, part, index, bytes: piece.length, sha256 })
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

/** The file at a path, with whose key its parts are sealed; undefined where it is still to come. */
async function standingNode({ files }: UploadTarget, path: string): Promise<string | undefined> {
  return unlessMissing(files.stat(path).then(({ node }) => node))
}

/** The id that an earlier upload chose for a file to come; undefined where it came, and was deleted since. */
async function plannedNode(
  { files }: UploadTarget,
  begun: readonly BegunPart[],
): Promise<string | undefined> {
  const node = begun[0]?.node
  if (node === undefined) return undefined
  return (await unlessMissing(files.versionsOfNode(node, { limit: 1 }))) === undefined ? node : undefined
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (!isAgentfsError(error, 'not_found')) throw error
    return undefined
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
