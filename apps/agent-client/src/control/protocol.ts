import { z } from 'zod'

/** What a mount is asked over its control socket: one JSON line. */
export const controlRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('status') }),
  z.object({
    kind: z.literal('flush'),
    until: z.enum(['acknowledged', 'stored']),
    timeoutMs: z.int().min(1),
  }),
  /** `force` leaves at once; what is not pushed stays in the journal. */
  z.object({ kind: z.literal('unmount'), force: z.boolean(), timeoutMs: z.int().min(0) }),
])
/** What a mount is asked. */
export type ControlRequest = z.infer<typeof controlRequest>

/** How a mount is (`agentfs-client status`). */
const mountStatus = z.object({
  dir: z.string(),
  agent: z.string(),
  pid: z.int(),
  /** connected, unhealthy, offline or refused. */
  feed: z.string(),
  seq: z.int(),
  /** Operations in the journal that the service has not acknowledged. */
  journaled: z.int(),
  /** The newest seq of the service that this mount has. */
  acknowledged: z.int(),
  /** The newest seq that is in the object store. */
  stored: z.int(),
  rejected: z.int(),
  /** Conflict copies that stand in the home. */
  conflicts: z.int(),
})
/** How a mount is. */
export type MountStatus = z.infer<typeof mountStatus>

/** The answer: one JSON line. */
export const controlAnswer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('status'), status: mountStatus }),
  z.object({ kind: z.literal('done'), remaining: z.array(z.string()) }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
])
/** The answer. */
export type ControlAnswer = z.infer<typeof controlAnswer>
