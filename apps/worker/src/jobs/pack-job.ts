import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { JOB_PAYLOADS } from '@agentfs/contracts'
import type { Packer } from '@agentfs/engine'
import type { NewJob } from '../queue/index.js'
import type { WorkerMetrics } from '../worker-metrics.js'

/**
 * A hint to pack a stream. While one waits, others of the stream vanish; one that comes while one runs makes it run once
 * more: what it names may have been committed after the running one looked.
 */
export function packJob({ tenantId }: TenantScope, streamId: string): NewJob<'pack'> {
  return {
    data: { tenant: tenantId, stream: streamId },
    options: { deduplication: { id: streamId, keepLastIfActive: true } },
  }
}

/** Packs the stream of a hint for as long as it is due. */
export async function runPackJob(
  payload: unknown,
  packer: Packer,
  metrics: WorkerMetrics,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, stream } = JOB_PAYLOADS.pack.parse(payload)
  for await (const outcome of packer.advance(mintTenantScope(tenant), stream, signal)) {
    metrics.packed(outcome)
  }
}
