import { setTimeout as delay } from 'node:timers/promises'
import { AgentfsError, type FlushAnswer, flushRequest, type FlushRequest } from '@agentfs/contracts'
import { type AgentRow, findStream, PackingStore, storedThrough } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'

const POLL_MS = 15

/** Waits until what is acknowledged now is in the object store: asks the packer, then watches its cursor. */
export async function flushAgent(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  request: FlushRequest,
): Promise<FlushAnswer> {
  const { until, timeoutMs } = flushRequest.parse(request)
  const { scope } = caller.principal
  const read = () =>
    tools.database.readTenant(scope, async (tx) => {
      const [stream, stored] = await Promise.all([
        findStream(tx, agent.agentId),
        storedThrough(tx, agent.agentId),
      ])
      if (stream === undefined) throw new AgentfsError('not_found', { detail: 'there is no such agent' })
      return { stream, stored: stored.epoch === stream.epoch ? stored.seq : 0 }
    })
  const { stream, stored: already } = await read()
  const { epoch, headSeq: seq } = stream
  if (until === 'acknowledged' || already >= seq) {
    return { epoch, seq, stored: already, state: already >= seq ? 'stored' : 'acknowledged' }
  }
  await new PackingStore(tools.database).requestFlush(scope, [agent.agentId])
  tools.packHint.hint(scope, agent.agentId)
  for (const endsAt = performance.now() + timeoutMs; ;) {
    const { stored } = await read()
    if (stored >= seq) return { epoch, seq, stored, state: 'stored' }
    if (performance.now() + POLL_MS > endsAt) {
      throw new AgentfsError('timeout', {
        epoch,
        seq,
        stored,
        detail: `not stored within ${timeoutMs} ms; it is acknowledged and safe, and storing goes on`,
      })
    }
    await delay(POLL_MS)
  }
}
