import { z } from 'zod'
import { uuid } from './ids.js'

/** A job is a hint to advance a follower; the truth is in Postgres. */
export const advanceStreamJob = z.object({ tenant: uuid, stream: uuid })
/** A hint that a stream has work for a follower. */
export type AdvanceStreamJob = z.infer<typeof advanceStreamJob>

/** Queue names and what their jobs carry. */
export const JOB_PAYLOADS = {
  pack: advanceStreamJob,
  sweep: z.object({}),
  collect: z.object({}),
} as const
/** A queue's name. */
export type QueueName = keyof typeof JOB_PAYLOADS
