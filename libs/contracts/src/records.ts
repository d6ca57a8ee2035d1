import { z } from 'zod'
import { sha256Hex, uuid } from './ids.js'
import { operationResult } from './operation-results.js'
import { aliasImage, entryImage, nodeImage, versionImage } from './tree-images.js'

/** Through which way in something came. */
export const door = z.enum(['rest', 'mount', 'sdk', 'mcp', 'dashboard', 'cli', 'worker'])
/** Through which way in something came. */
export type Door = z.infer<typeof door>

/** Who acts: a person, an API key, or the service itself. */
export const actor = z.object({ kind: z.enum(['user', 'key', 'service']), id: z.string() })
/** Who acts. */
export type Actor = z.infer<typeof actor>

/** What happened, as the audit log names it. */
export const auditAction = z.enum([
  'file.create',
  'file.write',
  'file.append',
  'file.read',
  'file.delete',
  'file.restore',
  'file.move',
  'file.copy',
  'file.erase',
  'file.conflict',
  'directory.create',
  'directory.delete',
  'symlink.create',
  'link.create',
  'attributes.set',
  'agent.create',
  'agent.update',
  'agent.delete',
  'agent.mirror',
  'tenant.create',
  'user.create',
  'auth.login',
  'auth.login_failed',
  'auth.logout',
  'auth.token',
  'key.create',
  'key.revoke',
  'access.denied',
  'audit.export',
])
/** What happened. */
export type AuditAction = z.infer<typeof auditAction>

/** One effect of a commit; `index` is its place within it. Paths are as of the commit. */
export const change = z.object({
  index: z.int().min(0),
  action: auditAction,
  node: uuid.optional(),
  path: z.string().optional(),
  from: z.string().optional(),
  version: uuid.optional(),
  previous: uuid.optional(),
  bytes: z.int().optional(),
  /** Anything else worth a person's eye; never contents or secrets. */
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
})
/** One effect of a commit. */
export type Change = z.infer<typeof change>

/** What a commit did to the tree, as post-images; the changes say it in words. */
export const treeDelta = z.object({
  nodes: z.array(nodeImage),
  entries: z.array(entryImage),
  aliases: z.array(aliasImage),
  versions: z.array(versionImage),
})
/** What a commit did to the tree. */
export type TreeDelta = z.infer<typeof treeDelta>

/**
 * The push that a commit came from, with all that its answer said beyond the commit: how many operations it had, and what
 * became of those that were not plainly applied. From it the last answer of a client store is made again [DUR-6].
 */
export const recordedPush = z.object({
  store: uuid,
  number: z.int().min(1),
  digest: sha256Hex,
  operations: z.int().min(1),
  results: z.array(z.object({ index: z.int().min(0), result: operationResult })),
})
/** The push that a commit came from. */
export type RecordedPush = z.infer<typeof recordedPush>

/** One numbered record of a stream: audit event, replay for recovery, and what other mounts need, in one. */
export const record = z.object({
  v: z.literal(1),
  stream: uuid,
  epoch: z.int().min(0),
  seq: z.int().min(1),
  at: z.iso.datetime(),
  actor,
  keyId: z.string().optional(),
  door,
  /** The caller's address, personal data: encrypted under the subject's key before it comes here, or absent. */
  address: z.string().optional(),
  requestId: z.string(),
  outcome: z.enum(['allowed', 'denied', 'failed']),
  changes: z.array(change),
  delta: treeDelta.optional(),
  /** Of a tenant's stream: a `tenantDelta` as JSON, sealed under the stream's key and bound to the tenant's id, in base64. */
  state: z.string().optional(),
  /** The agent that the record is about, where the stream is not that agent's own. */
  agent: uuid.optional(),
  /** The push this came from; what makes "applied once" recoverable [SY-8]. */
  push: recordedPush.optional(),
})
/** One numbered record of a stream. */
export type StreamRecord = z.infer<typeof record>

/** Proof that a record stands at a place of a stream's Merkle log; hashes in hex. */
export const receipt = z.object({
  stream: uuid,
  epoch: z.int().min(0),
  seq: z.int().min(1),
  /** The leaf's place in the log of this epoch. */
  index: z.int().min(0),
  leaf: sha256Hex,
  size: z.int().min(1),
  root: sha256Hex,
})
/** Proof that a record stands at a place of a stream's Merkle log. */
export type Receipt = z.infer<typeof receipt>

/**
 * The first record of an epoch, and the first leaf of its log: it names the log that it continues. Its seq follows the last
 * commit that was kept.
 */
export const epochStart = z.object({
  v: z.literal(1),
  stream: uuid,
  /** The new epoch. */
  epoch: z.int().min(1),
  seq: z.int().min(1),
  at: z.iso.datetime(),
  forkedFrom: z.object({
    epoch: z.int().min(0),
    /** The last commit that was kept. */
    seq: z.int().min(0),
    /** Size of the old epoch's log up to it. */
    size: z.int().min(0),
    /** Root of the old epoch's log at that size. */
    root: sha256Hex,
  }),
})
/** The first record of an epoch. */
export type EpochStart = z.infer<typeof epochStart>
