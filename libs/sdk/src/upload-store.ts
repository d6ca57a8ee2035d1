import type { SyncRoutes } from './sync.js'

/** A part that an upload began to send. */
export interface BegunPart {
  /** The id of the file, which parts are sealed for. */
  readonly node: string
  readonly part: string
  /** Its place in the file, in parts of 1 MiB. */
  readonly index: number
  readonly bytes: number
  /** SHA-256 of its bytes, in hex. */
  readonly sha256: string
}

/**
 * Where an upload writes down which parts it began to send, so that it can be gone on with by another process. It belongs to
 * one source and one path. What it has is a hint: the service says which parts have arrived, and each is compared with the
 * source by its hash.
 */
export interface UploadStore {
  /** What was saved since it was cleared last, in any order. */
  load(): Promise<readonly BegunPart[]>
  /** Adds a part, before it is sent. Several calls may be under way at once; each must outlive the process once it resolves. */
  save(part: BegunPart): Promise<void>
  /** Forgets everything: the file was made, or another one stands at its path. */
  clear(): Promise<void>
}

/** Parts asked about in one request. */
const ASKED_MAX = 10_000

/** Those of some parts that have arrived at the service, by their place. */
export async function arrivedParts(
  sync: Pick<SyncRoutes, 'missingParts'>,
  begun: readonly BegunPart[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, BegunPart>> {
  const arrived = new Map<number, BegunPart>()
  for (let at = 0; at < begun.length; at += ASKED_MAX) {
    const asked = begun.slice(at, at + ASKED_MAX)
    const ids = asked.map(({ part }) => part)
    const missing = new Set(await sync.missingParts(ids, signal))
    for (const one of asked) if (!missing.has(one.part)) arrived.set(one.index, one)
  }
  return arrived
}

/** SHA-256 in hex, anywhere that JavaScript runs. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
