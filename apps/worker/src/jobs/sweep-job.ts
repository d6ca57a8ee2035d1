import type { Sweeper } from '@agentfs/engine'
import type { JobQueue } from '../queue/index.js'
import type { WorkerMetrics } from '../worker-metrics.js'
import { packJob } from './pack-job.js'

/** Looks in Postgres for due streams of all tenants and hints at each: what the queue forgot costs one interval. */
export async function runSweepJob(
  sweeper: Sweeper,
  queue: JobQueue<'pack'>,
  metrics: WorkerMetrics,
): Promise<void> {
  const due = await sweeper.dueAcrossTenants()
  metrics.due(due)
  await queue.add(due.streams.map(({ scope, streamId }) => packJob(scope, streamId)))
}
