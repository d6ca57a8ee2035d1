import { mintTenantScope } from '@agentfs/access'
import { JOB_PAYLOADS } from '@agentfs/contracts'
import { isMirrorClaimLost, type Mirror } from '@agentfs/engine'
import type { JobQueue } from '../queue/index.js'
import type { WorkerMetrics } from '../worker-metrics.js'

/** Looks in Postgres for open mirrors that are behind, of all tenants, and hints at each. */
export async function runMirrorSweepJob(
  mirror: Mirror,
  queue: JobQueue<'mirror'>,
  metrics: WorkerMetrics,
): Promise<void> {
  const due = await mirror.dueAcrossTenants()
  metrics.mirrorsDue(due)
  await queue.add(
    due.mirrors.map(({ scope, agentId }) => ({
      data: { tenant: scope.tenantId, agent: agentId },
      options: { deduplication: { id: agentId } },
    })),
  )
}

/** Brings one agent's mirror in step. */
export async function runMirrorJob(
  payload: unknown,
  mirror: Mirror,
  metrics: WorkerMetrics,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, agent } = JOB_PAYLOADS.mirror.parse(payload)
  try {
    metrics.mirrored(await mirror.advance(mintTenantScope(tenant), agent, signal))
  } catch (error) {
    if (!isMirrorClaimLost(error)) throw error
  }
}
