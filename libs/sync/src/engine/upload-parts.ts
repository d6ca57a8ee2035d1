import type { SyncRoutes } from '@agentfs/sdk'
import type { FrozenPart, FrozenPush } from '../store/engine-store.js'
import type { AsyncStore } from './async-store.js'

/** Parts under way at once; each is held in memory. */
const PARALLEL_MAX = 4
/** Parts asked about at once. */
const ASKED_MAX = 10_000

/**
 * Sends the parts of a push that the service lacks [SY-13]. It is asked first: a client that was killed, or cut off, in the
 * middle of a large upload goes on with what is left, and sends nothing twice.
 */
export async function uploadParts(
  { store, routes, signal }: { store: AsyncStore; routes: SyncRoutes; signal: AbortSignal },
  push: FrozenPush,
): Promise<void> {
  const missing = new Set<string>()
  for (let at = 0; at < push.parts.length; at += ASKED_MAX) {
    const asked = push.parts.slice(at, at + ASKED_MAX).map(({ part }) => part)
    for (const part of await routes.missingParts(asked, signal)) missing.add(part)
  }
  const left = push.parts.filter(({ part }) => missing.has(part))
  const send = async ({ part, node, parent }: FrozenPart): Promise<void> => {
    const bytes = await store.readPart(part)
    await routes.putPart(node, part, bytes, { ...(parent === undefined ? {} : { parent }), signal })
  }
  // The first part of a node makes the key that its others share.
  const nodes = new Set<string>()
  const firsts = left.filter(({ node }) => !nodes.has(node) && nodes.add(node))
  for (const first of firsts) await send(first)
  const queue = left.filter((part) => !firsts.includes(part))
  let failed = false
  const work = async (): Promise<void> => {
    for (let part = queue.shift(); part !== undefined && !failed; part = queue.shift()) {
      try {
        await send(part)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: PARALLEL_MAX }, work))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
