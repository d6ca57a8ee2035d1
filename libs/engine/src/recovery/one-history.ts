import type { TenantScope } from '@agentfs/access'
import { dropStreamRows, dropTreeRows, findStream, PackingStore } from '@agentfs/storage'
import type { Packer } from '../followers/packer.js'
import { StreamRebuilding } from './rebuild-stream.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'

/**
 * Makes the rows of an owner's streams a beginning of what the bucket has, before anything is folded onto them. What waits
 * in the rows is stored: the bucket may have it already, and a second copy is as good. Rows of a history that the bucket's
 * left behind cannot be mixed with it: they go, the report says which, and all is folded from the beginning. Safe to repeat.
 * True where objects were written, so that the bucket has to be listed again.
 */
export async function makeOneHistory(
  tools: RebuildTools,
  packer: Packer,
  scope: TenantScope,
  targets: readonly StreamToRebuild[],
): Promise<boolean> {
  const { database, losses } = tools
  const { tenantId } = scope
  const packing = new PackingStore(database)
  let split = false
  for (const target of targets) {
    const { streamId, agentId } = target
    const cursor = (await packing.stream(scope, streamId))?.cursor
    if (cursor === undefined) continue
    const parting = await new StreamRebuilding(tools, scope, target).divergence(cursor)
    if (parting === undefined) continue
    split = true
    const detail =
      `stream ${streamId}: the database's commits ${parting.from} to ${parting.to} of epoch ${parting.epoch} are not in the ` +
      'history that the bucket holds: they are dropped'
    losses.add({ kind: 'dropped', tenant: tenantId, ...(agentId === null ? {} : { agent: agentId }), detail })
  }
  if (split) {
    // An agent's streams go together: their segments name one another's objects.
    await database.withTenant(scope, async (tx) => {
      for (const { streamId, kind, agentId } of targets) {
        await dropStreamRows(tx, streamId)
        if (kind === 'agent' && agentId !== null) await dropTreeRows(tx, agentId)
      }
    })
    return false
  }
  let written = false
  for (const { streamId } of targets) {
    const stream = await database.withTenant(scope, (tx) => findStream(tx, streamId))
    if (stream === undefined) continue
    written = (await packAll(packer, scope, streamId, tools.signal)) || written
  }
  return written
}

/** Stores all that waits in a stream; true where there was something. */
export async function packAll(
  packer: Packer,
  scope: TenantScope,
  streamId: string,
  signal?: AbortSignal,
): Promise<boolean> {
  for (let written = false; ; written = true) {
    const outcome = await packer.packStream(scope, streamId, signal)
    if (outcome.kind === 'idle') return written
    if (outcome.kind === 'stored' && outcome.drained) return true
  }
}
