import { z } from 'zod'
import { agentName, uuid } from './ids.js'
import { auditAction, door, receipt } from './records.js'
import { nodeKind, timeSpec } from './tree-images.js'

/** A role on a node and below, weakest first [ACL-1]. */
export const role = z.enum(['reader', 'writer', 'manager'])
/** A role on a node and below. */
export type Role = z.infer<typeof role>

/** Where a commit stands: committed by the service, or in the object store too. */
export const durableState = z.enum(['acknowledged', 'stored'])
/** Where a commit stands. */
export type DurableState = z.infer<typeof durableState>

/** RFC 9457 problem details; `detail` says what to do next. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  requestId: z.string(),
})
/** RFC 9457 problem details. */
export type Problem = z.infer<typeof problem>

/**
 * What became of an erasure: nothing that these keys seal opens any more, from the moment it is answered. `keysShared` counts
 * keys that another file needs (a conflict copy shares what it came from): they go when that one is erased too. `ledger` says
 * whether the object store has the tombstones yet, which keep the keys from ever being recovered.
 */
export const erasure = z.object({
  keys: z.int().min(0),
  keysShared: z.int().min(0),
  ledger: z.enum(['stored', 'pending']),
})
/** What became of an erasure. */
export type Erasure = z.infer<typeof erasure>

/** Query of every list. */
export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().max(2_000).optional(),
})
/** Query of every list. */
export type ListQuery = z.infer<typeof listQuery>

/** The shape of every list's answer. */
export function listOf<T extends z.ZodType>(
  item: T,
): z.ZodObject<{ data: z.ZodArray<T>; nextCursor: z.ZodNullable<z.ZodString> }> {
  return z.object({ data: z.array(item), nextCursor: z.string().nullable() })
}
/** One page of a list. */
export type ListOf<T> = { data: T[]; nextCursor: string | null }

const email = z.email().max(254)
const password = z.string().min(10, { error: 'a password has at least 10 characters' }).max(1_000)
const instant = z.iso.datetime()

export const tenant = z.object({ id: uuid, name: z.string(), createdAt: instant })
export type Tenant = z.infer<typeof tenant>
export const userRole = z.enum(['owner', 'admin', 'member', 'auditor'])
export type UserRole = z.infer<typeof userRole>
export const user = z.object({ id: uuid, email: z.string(), role: userRole, createdAt: instant })
export type User = z.infer<typeof user>

export const signupRequest = z.object({ email, password, tenant: z.string().trim().min(1).max(100) })
export type SignupRequest = z.infer<typeof signupRequest>
export const signupAnswer = z.object({
  tenant,
  user,
  apiKey: z.object({ id: z.string(), secret: z.string() }),
})
export type SignupAnswer = z.infer<typeof signupAnswer>

export const loginRequest = z.object({ email, password: z.string().max(1_000) })
export type LoginRequest = z.infer<typeof loginRequest>
export const loginAnswer = z.object({ tenant, user, expiresAt: instant })
export type LoginAnswer = z.infer<typeof loginAnswer>

const prefixes = z.array(z.string().max(4_096)).max(100)
export const tokenRequest = z.object({
  agent: z.string().optional(),
  prefixes: prefixes.optional(),
  role: role.optional(),
  /** Seconds the token lives; 300 at most. */
  ttlSeconds: z.int().min(10).max(300).optional(),
})
export type TokenRequest = z.infer<typeof tokenRequest>
export const tokenAnswer = z.object({ accessToken: z.string(), expiresAt: instant })
export type TokenAnswer = z.infer<typeof tokenAnswer>

/** What a credential is cut down to; null means no limit of that kind. */
export const keyScope = z.object({
  role,
  agents: z.array(uuid).nullable(),
  prefixes: prefixes.nullable(),
  cidrs: z.array(z.string()).nullable(),
  expiresAt: instant.nullable(),
})
export type KeyScope = z.infer<typeof keyScope>

export const keyCreateRequest = z.object({
  name: z.string().trim().min(1).max(100),
  role: role.optional(),
  /** Ids or names of the agents it may reach; all where absent. */
  agents: z.array(z.string()).max(100).optional(),
  prefixes: prefixes.optional(),
  cidrs: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .max(100)
    .optional(),
  expiresAt: instant.optional(),
})
export type KeyCreateRequest = z.infer<typeof keyCreateRequest>
export const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  scope: keyScope,
  createdAt: instant,
  revokedAt: instant.nullable(),
})
export type ApiKey = z.infer<typeof apiKey>
export const keyCreateAnswer = apiKey.extend({ secret: z.string() })
export type KeyCreateAnswer = z.infer<typeof keyCreateAnswer>

export const whoamiAnswer = z.object({
  tenant,
  user: user.optional(),
  key: z.object({ id: z.string(), name: z.string() }).optional(),
  scope: keyScope,
})
export type WhoamiAnswer = z.infer<typeof whoamiAnswer>

const days = (what: string): z.ZodInt =>
  z
    .int({ error: `${what} is a whole number of days` })
    .min(0, { error: `${what} is at least 0 days` })
    .max(36_500, {
      error: `${what} is at most 36500 days`,
    })

/** How long an agent's old versions and deleted files are kept, in days; absent means the default [DUR-1]. */
export const retentionSettings = z
  .strictObject({
    /** Every version, counted from when it was replaced; 30 unless set. */
    allDays: days('allDays').optional(),
    /** After that the last version of each day (UTC), counted alike; 365 unless set. */
    dailyDays: days('dailyDays').optional(),
    /** Deleted files, to be listed and restored; 30 unless set. */
    deletedDays: days('deletedDays').optional(),
  })
  .refine(
    ({ allDays = RETENTION_DAYS.allDays, dailyDays = RETENTION_DAYS.dailyDays }) => dailyDays >= allDays,
    {
      error: 'dailyDays (365 unless set) must not be less than allDays (30 unless set)',
    },
  )
export type RetentionSettings = z.infer<typeof retentionSettings>
/** What retention is where an agent sets nothing. */
export const RETENTION_DAYS = { allDays: 30, dailyDays: 365, deletedDays: 30 } as const

/** What may be set per agent; absent means the default. */
export const agentSettings = z.object({
  conflictPolicy: z.enum(['merge', 'keep-both']).optional(),
  mergeTypes: z.array(z.string().max(32)).max(100).optional(),
  retention: retentionSettings.optional(),
})
export type AgentSettings = z.infer<typeof agentSettings>
export const agent = z.object({
  id: uuid,
  name: agentName,
  root: uuid,
  settings: agentSettings,
  createdAt: instant,
  epoch: z.int(),
  seq: z.int(),
})
export type Agent = z.infer<typeof agent>
export const agentCreateRequest = z.object({ name: agentName, settings: agentSettings.optional() })
export type AgentCreateRequest = z.infer<typeof agentCreateRequest>
export const agentUpdateRequest = z.object({
  name: agentName.optional(),
  settings: agentSettings.optional(),
})
export type AgentUpdateRequest = z.infer<typeof agentUpdateRequest>

/** Switches the open mirror of an agent. */
export const mirrorRequest = z.object({
  enabled: z.boolean(),
  /** Must be true to switch it on: the mirror holds the files in plaintext, for anyone who may read its bucket. */
  acceptPlaintext: z.boolean().optional(),
  /** The name of a target of the service's operator; the service's own object store where absent. */
  target: z.string().max(100).optional(),
  /** When switching off: leave the documents that were written; nothing follows or erases them then. */
  keepDocuments: z.boolean().optional(),
  /** When it is on: write every document anew. */
  rebuild: z.boolean().optional(),
})
export type MirrorRequest = z.infer<typeof mirrorRequest>
/** How the open mirror of an agent stands. */
export const mirrorStatus = z.object({
  /** `removing` takes away what was written; `filling` writes the whole tree; `following` writes what commits change. */
  state: z.enum(['off', 'removing', 'filling', 'following']),
  target: z.string().nullable(),
  /** Where the documents stand, for a person to find them; null while it is off. */
  location: z.string().nullable(),
  /** What the mirror shows: the stream up to this seq, of the head's epoch; null before it followed. */
  seq: z.int().nullable(),
  head: z.int(),
  /** Age of the oldest commit that it does not show; 0 where it shows all. */
  lagSeconds: z.number(),
  documents: z.int(),
})
export type MirrorStatus = z.infer<typeof mirrorStatus>

/** What is known of a node; `path` is one of its names. `nameBase64` where the last name is not UTF-8 [FS-6]. */
export const stat = z.object({
  node: uuid,
  path: z.string(),
  nameBase64: z.string().optional(),
  kind: nodeKind,
  size: z.int(),
  mode: z.int(),
  links: z.int(),
  target: z.string().optional(),
  version: uuid.nullable(),
  number: z.int(),
  contentType: z.string().nullable(),
  createdAt: instant,
  modifiedAt: instant,
  modifiedBy: z.string(),
  state: durableState,
})
export type Stat = z.infer<typeof stat>

/** A deleted file that can still be restored, as it last was; `pathBase64` where its path is no UTF-8. */
export const deletedFile = stat.extend({
  pathBase64: z.string().optional(),
  uid: z.int(),
  gid: z.int(),
  mtime: timeSpec,
  /** Values in base64. */
  xattrs: z.record(z.string(), z.string()).optional(),
  deletedAt: instant,
})
export type DeletedFile = z.infer<typeof deletedFile>

/** The answer to everything that changes the tree over REST. */
export const writeAnswer = z.object({
  node: uuid,
  path: z.string(),
  version: uuid.nullable(),
  number: z.int(),
  seq: z.int(),
  epoch: z.int(),
  state: durableState,
  /** Null where nothing changed: identical bytes make no new version. */
  receipt: receipt.nullable(),
})
export type WriteAnswer = z.infer<typeof writeAnswer>
export const appendAnswer = writeAnswer.extend({ offset: z.int() })
export type AppendAnswer = z.infer<typeof appendAnswer>

/** How far below a directory one listing goes at most. */
export const TREE_DEPTH_MAX = 64

export const treeQuery = listQuery.extend({
  path: z.string().default(''),
  /** Levels below `path`: 1, or as many as the glob can reach. */
  depth: z.coerce.number().int().min(1).max(TREE_DEPTH_MAX).optional(),
  glob: z.string().max(1_000).optional(),
})
export type TreeQuery = z.infer<typeof treeQuery>

export const mkdirRequest = z.object({ path: z.string(), parents: z.boolean().optional() })
export type MkdirRequest = z.infer<typeof mkdirRequest>
export const moveRequest = z.object({ from: z.string(), to: z.string(), overwrite: z.boolean().optional() })
export type MoveRequest = z.infer<typeof moveRequest>
export const copyRequest = moveRequest.extend({})
export type CopyRequest = z.infer<typeof copyRequest>

/** A file made of parts that went up before; a null is 1 MiB of zeros, which is not sent. */
export const composeRequest = z.object({
  path: z.string(),
  node: uuid,
  size: z.int().min(0),
  parts: z.array(uuid.nullable()),
  parents: z.boolean().optional(),
})
export type ComposeRequest = z.infer<typeof composeRequest>

export const version = z.object({
  version: uuid,
  number: z.int(),
  parents: z.array(uuid),
  size: z.int(),
  author: z.string(),
  at: instant,
  state: durableState,
})
export type Version = z.infer<typeof version>
export const restoreRequest = z
  .object({ path: z.string(), version: z.union([uuid, z.int()]).optional(), at: instant.optional() })
  .refine((it) => (it.version === undefined) !== (it.at === undefined), {
    error: 'give either version or at',
  })
export type RestoreRequest = z.infer<typeof restoreRequest>

export const flushRequest = z.object({
  until: durableState.default('stored'),
  timeoutMs: z.int().min(1).max(120_000).default(30_000),
})
export type FlushRequest = z.input<typeof flushRequest>
export const flushAnswer = z.object({ epoch: z.int(), seq: z.int(), stored: z.int(), state: durableState })
export type FlushAnswer = z.infer<typeof flushAnswer>

export const auditQuery = listQuery.extend({
  actor: z.string().max(200).optional(),
  agent: z.string().optional(),
  action: auditAction.optional(),
  path: z.string().max(4_096).optional(),
  from: instant.optional(),
  to: instant.optional(),
  outcome: z.enum(['allowed', 'denied', 'failed']).optional(),
})
export type AuditQuery = z.infer<typeof auditQuery>
/** One audit event: one change of one record, newest first in lists. */
export const auditEvent = z.object({
  stream: uuid,
  epoch: z.int(),
  seq: z.int(),
  index: z.int(),
  at: instant,
  agent: uuid.nullable(),
  actor: z.string(),
  keyId: z.string().nullable(),
  door,
  address: z.string().nullable(),
  action: auditAction,
  path: z.string().nullable(),
  node: uuid.nullable(),
  version: uuid.nullable(),
  outcome: z.enum(['allowed', 'denied', 'failed']),
  requestId: z.string(),
  leaf: z.string(),
})
export type AuditEvent = z.infer<typeof auditEvent>

/** A checkpoint: a C2SP signed note over the size and root of every log of the tenant that grew. */
export const auditCheckpoint = z.object({ number: z.int(), at: instant, note: z.string() })
export type AuditCheckpoint = z.infer<typeof auditCheckpoint>
/** Which logs to export: of the whole tenant with its checkpoints, or of one agent. */
export const auditExportQuery = z.object({ agent: z.string().optional() })
export type AuditExportQuery = z.infer<typeof auditExportQuery>

export const health = z.object({
  status: z.enum(['ok', 'unavailable']),
  checks: z.record(z.string(), z.enum(['ok', 'failed'])).optional(),
})
export type Health = z.infer<typeof health>
