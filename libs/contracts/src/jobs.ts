import { z } from 'zod'
import { uuid } from './ids.js'

/** A job is a hint to advance a follower; the truth is in Postgres. */
export const advanceStreamJob = z.object({ tenant: uuid, stream: uuid })
/** A hint that a stream has work for a follower. */
export type AdvanceStreamJob = z.infer<typeof advanceStreamJob>

/**
 * A step of a chore for one tenant; without a tenant, the beginning of a round over all of them. A chore is named by
 * whoever runs it: one that a worker does not know (an older process, say) is left alone.
 */
export const choreJob = z.object({
  chore: z.string().min(1),
  tenant: uuid.optional(),
  resume: z.string().optional(),
})
/** A step of a chore, or the beginning of a round. */
export type ChoreJob = z.infer<typeof choreJob>

/** Queue names and what their jobs carry. */
export const JOB_PAYLOADS = {
  pack: advanceStreamJob,
  sweep: z.object({}),
  chore: choreJob,
  /** Finds open mirrors that are behind. */
  'mirror-sweep': z.object({}),
  mirror: z.object({ tenant: uuid, agent: uuid }),
} as const
/** A queue's name. */
export type QueueName = keyof typeof JOB_PAYLOADS
