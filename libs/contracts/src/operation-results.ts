import { z } from 'zod'
import { uuid } from './ids.js'
import { wireName } from './tree-images.js'

/** What became of one operation. */
export const operationResult = z.discriminatedUnion('status', [
  z.object({ status: z.literal('applied') }),
  /** Merged with a newer head; `version` is the merged one. */
  z.object({ status: z.literal('merged'), node: uuid, version: uuid }),
  /** The name existed already; the operation's node is now an alias of `node`. */
  z.object({ status: z.literal('unified'), node: uuid }),
  /** The head stayed; the writer's content is the new node `node`, named `name`, beside it. */
  z.object({ status: z.literal('conflict-copy'), node: uuid, name: wireName, version: uuid }),
  z.object({ status: z.literal('parts_missing'), parts: z.array(uuid) }),
  /** `because` is the index of the refused operation that this one depends on [SY-7]. */
  z.object({
    status: z.literal('refused'),
    code: z.string(),
    message: z.string(),
    because: z.int().optional(),
  }),
])
/** What became of one operation. */
export type OperationResult = z.infer<typeof operationResult>
