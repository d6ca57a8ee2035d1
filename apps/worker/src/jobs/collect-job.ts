import type { Collector, EngineLog, Sweeper } from '@agentfs/engine'
import type { WorkerMetrics } from '../worker-metrics.js'

/** Collects every tenant in turn; one whose store fails does not keep the others waiting. */
export async function runCollectJob(
  sweeper: Sweeper,
  collector: Collector,
  metrics: WorkerMetrics,
  log: EngineLog,
  signal: AbortSignal,
): Promise<void> {
  for await (const scope of sweeper.tenantsAcrossTenants()) {
    if (signal.aborted) return
    try {
      metrics.collected(await collector.collectObjects(scope))
    } catch (error) {
      log.error('collecting a tenant failed', { tenant: scope.tenantId, error: String(error) })
    }
  }
}
