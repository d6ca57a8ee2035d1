import { z } from 'zod'
import { uuid } from './ids.js'
import { flag } from './routes-definition.js'
import { listQuery } from './rest.js'

const versionChoice = z.union([uuid, z.coerce.number().int().min(1)])
const path = z.string().max(16_384)

/** Which version of a file to read: by id or number, or as of an instant; the head where neither is given. */
export const fileReadQuery = z.object({
  version: versionChoice.optional(),
  at: z.iso.datetime({ offset: true }).optional(),
})
export type FileReadQuery = z.infer<typeof fileReadQuery>

/** `parents=true` makes missing directories on the way. */
export const fileWriteQuery = z.object({ parents: flag.optional() })
export type FileWriteQuery = z.infer<typeof fileWriteQuery>

export const fileAppendQuery = fileWriteQuery.extend({ op: z.literal('append') })
export type FileAppendQuery = z.infer<typeof fileAppendQuery>

/** `recursive=true` deletes a directory with all below it; `erase=true` deletes the keys too, with no way back. */
export const fileDeleteQuery = z.object({ recursive: flag.optional(), erase: flag.optional() })
export type FileDeleteQuery = z.infer<typeof fileDeleteQuery>

/** `erase=true` deletes all keys of the agent too, with no way back. */
export const agentDeleteQuery = z.object({ erase: flag.optional() })
export type AgentDeleteQuery = z.infer<typeof agentDeleteQuery>

/** `name` repeats the name of the tenant that is to be erased. */
export const tenantEraseQuery = z.object({ name: z.string().min(1).max(200) })
export type TenantEraseQuery = z.infer<typeof tenantEraseQuery>

export const statQuery = z.object({ path: path.default('') })
export type StatQuery = z.infer<typeof statQuery>

export const versionsQuery = listQuery.extend({ path })
export type VersionsQuery = z.infer<typeof versionsQuery>

/** `under` restricts a snapshot to a node and what lies below it. */
export const snapshotQuery = listQuery.extend({
  limit: z.coerce.number().int().min(1).max(5_000).default(1_000),
  under: uuid.optional(),
})
export type SnapshotQuery = z.infer<typeof snapshotQuery>

export const changesQuery = z.object({
  since: z.coerce.number().int().min(0),
  epoch: z.coerce.number().int().min(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
})
export type ChangesQuery = z.infer<typeof changesQuery>

/** From which address the feed starts; commits after `since` follow. */
export const feedQuery = z.object({
  since: z.coerce.number().int().min(0),
  epoch: z.coerce.number().int().min(0),
})
export type FeedQuery = z.infer<typeof feedQuery>

/** `parent` is the directory a new node is meant for, so that its key can be made before the node exists [SY-13]. */
export const partQuery = z.object({ parent: uuid.optional() })
export type PartQuery = z.infer<typeof partQuery>
