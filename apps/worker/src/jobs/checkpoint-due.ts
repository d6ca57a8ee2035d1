import type { Checkpointer, EngineLog } from '@agentfs/engine'

/** Makes the checkpoints that are due, tenant by tenant; what one of them cannot do keeps no other from it. */
export async function checkpointDue(
  checkpointer: Checkpointer,
  log: EngineLog,
  signal: AbortSignal,
): Promise<void> {
  for (const scope of await checkpointer.dueAcrossTenants()) {
    if (signal.aborted) return
    await checkpointer.checkpoint(scope, signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn('a checkpoint of the audit log has to wait', { error: String(error) })
    })
  }
}
