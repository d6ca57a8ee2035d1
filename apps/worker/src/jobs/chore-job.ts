import { mintTenantScope } from '@agentfs/access'
import { type ChoreJob, JOB_PAYLOADS } from '@agentfs/contracts'
import type { Chore, Sweeper } from '@agentfs/engine'
import type { JobQueue, NewJob } from '../queue/index.js'
import type { WorkerMetrics } from '../worker-metrics.js'

/** Jobs added at once at the beginning of a round. */
const ROUND_PAGE = 500

/** What chores run with. */
export interface ChoreRun {
  readonly chores: ReadonlyMap<string, Chore>
  readonly queue: JobQueue<'chore'>
  readonly sweeper: Sweeper
  readonly metrics: WorkerMetrics
  readonly signal: AbortSignal
}

/**
 * Begins a round (a step for each tenant), or does one step and queues the next behind whatever waits: tenants take turns.
 * While a tenant's step waits, others of the same chore and tenant vanish.
 */
export async function runChoreJob(payload: unknown, run: ChoreRun): Promise<void> {
  const job = JOB_PAYLOADS.chore.parse(payload)
  const chore = run.chores.get(job.chore)
  if (chore === undefined) return
  if (job.tenant === undefined) await beginRound(job.chore, run)
  else await doStep(chore, { ...job, tenant: job.tenant }, run)
}

async function beginRound(chore: string, { queue, sweeper, signal }: ChoreRun): Promise<void> {
  let page: NewJob<'chore'>[] = []
  for await (const { tenantId } of sweeper.tenantsAcrossTenants()) {
    if (signal.aborted) return
    page.push(stepJob({ chore, tenant: tenantId }))
    if (page.length < ROUND_PAGE) continue
    await queue.add(page)
    page = []
  }
  await queue.add(page)
}

async function doStep(chore: Chore, job: ChoreJob & { tenant: string }, run: ChoreRun): Promise<void> {
  const request = { agentId: null, dryRun: false, resume: job.resume ?? null, signal: run.signal }
  const { counts, resume } = await chore.step(mintTenantScope(job.tenant), request)
  run.metrics.chore(chore.name, counts)
  if (resume !== null) await run.queue.add([stepJob({ chore: chore.name, tenant: job.tenant, resume })])
}

/** `keepLastIfActive`: a step queues the next while it is running itself. */
function stepJob(data: ChoreJob & { tenant: string }): NewJob<'chore'> {
  return { data, options: { deduplication: { id: `${data.chore}/${data.tenant}`, keepLastIfActive: true } } }
}
