import { AgentfsError, uuidv7 } from '@agentfs/contracts'
import type { AgentRow } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'

/** Parts of one upload that are under way at once. */
const UPLOADS_AT_ONCE = 4

/** Parts that went up, as extents from the first byte on. */
export interface UploadedParts {
  readonly extents: { offset: number; length: number; part: string; partOffset: number }[]
  readonly size: number
}

/** Sends a stream of parts to the object store ahead of the commit that names them; no more than a few are held. */
export async function uploadParts(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  node: string,
  parts: AsyncIterable<Uint8Array>,
): Promise<UploadedParts> {
  const extents: UploadedParts['extents'] = []
  const uploads = new Set<Promise<unknown>>()
  let failure: { error: unknown } | undefined
  let size = 0
  try {
    for await (const data of parts) {
      if (failure !== undefined) break
      if (size + data.length > tools.fileBytesMax) {
        throw new AgentfsError('too_large', { detail: 'the file is larger than the service takes' })
      }
      const part = uuidv7()
      extents.push({ offset: size, length: data.length, part, partOffset: 0 })
      size += data.length
      const upload = tools.parts
        .take(caller.principal.scope, agent, { node, part, data }, true)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => uploads.delete(upload))
      uploads.add(upload)
      if (uploads.size >= UPLOADS_AT_ONCE) await Promise.race(uploads)
    }
  } finally {
    // Whatever ended it: nothing of a request goes on behind its answer.
    await Promise.all(uploads)
  }
  if (failure !== undefined) throw failure.error
  return { extents, size }
}

/** The first part of a body, and the rest where there is more: what is one part needs no upload ahead. */
export async function firstPart(
  parts: AsyncGenerator<Uint8Array>,
): Promise<{ readonly first: Uint8Array; readonly all: AsyncIterable<Uint8Array> | null }> {
  const first = await parts.next()
  if (first.done === true) return { first: new Uint8Array(0), all: null }
  const second = await parts.next()
  if (second.done === true) return { first: first.value, all: null }
  return { first: first.value, all: chain(first.value, second.value, parts) }
}

async function* chain(
  first: Uint8Array,
  second: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first
  yield second
  yield* rest
}
