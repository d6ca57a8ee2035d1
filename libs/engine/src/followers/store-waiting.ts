import type { Packer } from './packer.js'
import type { StreamToPack, Sweeper } from './sweeper.js'

/** Streams packed at once. */
const LANES = 4

/** What became of the streams that waited. */
export interface StoredWaiting {
  readonly stored: number
  /** Of those that were looked at; what waits still is stored by whoever packs next. */
  readonly left: number
}

/**
 * Stores what waits, due or not, before a service stops: else its last commits are in the database alone for as long as it
 * stands still. Of a thousand streams at most, until the signal ends it; the store's failure leaves a stream for later.
 */
export async function storeWaiting(
  { sweeper, packer }: { readonly sweeper: Sweeper; readonly packer: Packer },
  signal: AbortSignal,
): Promise<StoredWaiting> {
  const waiting = [...(await sweeper.waitingAcrossTenants())]
  const count = waiting.length
  let stored = 0
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
      if (await drain(packer, next, signal).catch(() => false)) stored++
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return { stored, left: count - stored }
}

/** True once nothing of a stream waits. */
async function drain(
  packer: Packer,
  { scope, streamId }: StreamToPack,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted()
    const outcome = await packer.packStream(scope, streamId, signal)
    if (outcome.kind === 'idle') return true
    if (outcome.kind !== 'stored') return false
    if (outcome.drained) return true
  }
}
