import { setTimeout as delay } from 'node:timers/promises'
import type { TenantScope } from '@agentfs/access'
import {
  AgentfsError,
  type FlushAnswer,
  flushRequest,
  type FlushRequest,
  agentNotFound,
} from '@agentfs/contracts'
import { type AgentRow, findStream, PackingStore, type StreamPosition, storedThrough } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'

const POLL_MS = 15

/**
 * Waits until what is acknowledged now is in the object store: packs it here and at once where this process may, else asks
 * the workers and watches their cursor. `unavailable` where the object store is known to be away: then the workers are asked
 * all the same, and store it when it is back.
 */
export async function flushAgent(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: FlushRequest,
): Promise<FlushAnswer> {
  const { until, timeoutMs } = flushRequest.parse(request)
  const { scope } = caller.principal
  const read = () => readPositions(tools, scope, agent)
  const { head, stored: already } = await read()
  const { epoch, seq } = head
  if (until === 'acknowledged' || already >= seq) {
    return { epoch, seq, stored: already, state: already >= seq ? 'stored' : 'acknowledged' }
  }
  const late = (stored: number): AgentfsError =>
    new AgentfsError('timeout', {
      epoch,
      seq,
      stored,
      detail: `not stored within ${timeoutMs} ms; it is acknowledged and safe, and storing goes on`,
    })
  const endsAt = performance.now() + timeoutMs
  const here = await storeHere(tools, scope, agent, head, timeoutMs)
  if (here === 'stored') return { epoch, seq, stored: seq, state: 'stored' }
  await new PackingStore(tools.database).requestFlush(scope, [agent.agentId])
  tools.packHint.hint(scope, agent.agentId)
  if (here === 'late') throw late(already)
  if (here instanceof AgentfsError) throw here
  for (;;) {
    const { head: now, stored } = await read()
    if (now.epoch !== epoch) {
      const detail = 'the service was restored while this waited; look at what it has, and flush again'
      throw new AgentfsError('epoch_changed', { epoch: now.epoch, detail })
    }
    if (stored >= seq) return { epoch, seq, stored, state: 'stored' }
    if (performance.now() + POLL_MS > endsAt) throw late(stored)
    await delay(POLL_MS)
  }
}

async function readPositions(
  { database }: FilesTools,
  scope: TenantScope,
  { agentId }: AgentRow,
): Promise<{ head: StreamPosition; stored: number }> {
  const [stream, stored] = await database.readTenant(scope, (tx) =>
    Promise.all([findStream(tx, agentId), storedThrough(tx, agentId)]),
  )
  if (stream === undefined) throw agentNotFound()
  const { epoch, headSeq: seq } = stream
  return { head: { epoch, seq }, stored: stored.epoch === epoch ? stored.seq : 0 }
}

/** Packs in this process; the failure where the object store is away, and `left` where a worker has to do it. */
async function storeHere(
  { promptPacker }: FilesTools,
  scope: TenantScope,
  { agentId }: AgentRow,
  head: StreamPosition,
  timeoutMs: number,
): Promise<'stored' | 'late' | 'left' | AgentfsError> {
  const packer = promptPacker()
  if (packer === undefined) return 'left'
  const patience = new AbortController()
  const storing = packer
    .storeThrough(scope, agentId, head)
    .then((stored) => (stored ? 'stored' : 'left'))
    .catch((error: unknown) => {
      // Anything else is the workers' to try again, and theirs to tell.
      return error instanceof AgentfsError && error.code === 'unavailable' ? error : 'left'
    })
  const late = delay(timeoutMs, 'late' as const, { signal: patience.signal }).catch(() => 'late' as const)
  const outcome = await Promise.race([storing, late])
  patience.abort()
  return outcome
}
