import type { TenantScope } from '@agentfs/access'

/**
 * Tells a worker that a stream is due for packing: at once, or (with `committedBytes`) once as many bytes have been
 * committed to it as make a segment. A hint may be lost, late or doubled, and giving one never fails or
 * waits: the sweeper finds what no hint named.
 */
export interface PackHint {
  hint(scope: TenantScope, streamId: string, committedBytes?: number): void
}

/** For a process without a queue: all is left to the sweeper. */
export const NO_PACK_HINT: PackHint = { hint: () => undefined }
