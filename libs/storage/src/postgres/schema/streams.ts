import { boolean, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { bytea, instant, int8 } from './columns.js'

/** Streams; the row is the lock under which seq is assigned. */
export const streams = pgTable(
  'streams',
  {
    tenantId: uuid('tenant_id').notNull(),
    streamId: uuid('stream_id').notNull(),
    kind: text('kind').$type<'agent' | 'reads' | 'tenant'>().notNull(),
    agentId: uuid('agent_id'),
    keyId: uuid('key_id').notNull(),
    epoch: integer('epoch').notNull().default(0),
    headSeq: int8('head_seq').notNull().default(0),
    merkleSize: int8('merkle_size').notNull().default(0),
    merkleRange: bytea('merkle_range').notNull(),
    grantsVersion: int8('grants_version').notNull().default(0),
    stagedBytes: int8('staged_bytes').notNull().default(0),
    stagedSince: instant('staged_since'),
    flushRequestedAt: instant('flush_requested_at'),
    headAt: instant('head_at'),
    checkpointSince: instant('checkpoint_since'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.streamId] })],
)

/** Cursors of followers. */
export const followers = pgTable(
  'followers',
  {
    tenantId: uuid('tenant_id').notNull(),
    streamId: uuid('stream_id').notNull(),
    follower: text('follower').notNull(),
    epoch: integer('epoch').notNull().default(0),
    seq: int8('seq').notNull().default(0),
    updatedAt: instant('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.streamId, t.follower] })],
)

/** Objects of the object store, by state. */
export const objects = pgTable(
  'objects',
  {
    tenantId: uuid('tenant_id').notNull(),
    objectId: uuid('object_id').notNull(),
    streamId: uuid('stream_id'),
    kind: text('kind').$type<'segment' | 'part' | 'keys' | 'tree' | 'prefixes'>().notNull(),
    objectKey: text('object_key').notNull(),
    state: text('state').$type<'writing' | 'live' | 'dead' | 'gone'>().notNull(),
    size: int8('size').notNull().default(0),
    liveBytes: int8('live_bytes').notNull().default(0),
    checksum: bytea('checksum'),
    epoch: integer('epoch').notNull().default(0),
    firstSeq: int8('first_seq').notNull().default(0),
    lastSeq: int8('last_seq').notNull().default(0),
    createdAt: instant('created_at').notNull(),
    deadAt: instant('dead_at'),
    checkedAt: instant('checked_at'),
    stale: boolean('stale').notNull().default(false),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.objectId] })],
)

/** Sealed records. */
export const records = pgTable(
  'records',
  {
    tenantId: uuid('tenant_id').notNull(),
    streamId: uuid('stream_id').notNull(),
    epoch: integer('epoch').notNull(),
    seq: int8('seq').notNull(),
    recordId: uuid('record_id').notNull(),
    leafIndex: int8('leaf_index').notNull(),
    leaf: bytea('leaf').notNull(),
    at: instant('at').notNull(),
    sealed: bytea('sealed'),
    sealedLength: integer('sealed_length').notNull(),
    objectId: uuid('object_id'),
    objectOffset: int8('object_offset'),
    blockId: uuid('block_id'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.streamId, t.epoch, t.seq] })],
)

/** One row per change, for listing and filtering. */
export const auditEvents = pgTable(
  'audit_events',
  {
    tenantId: uuid('tenant_id').notNull(),
    streamId: uuid('stream_id').notNull(),
    epoch: integer('epoch').notNull(),
    seq: int8('seq').notNull(),
    changeIndex: integer('change_index').notNull(),
    at: instant('at').notNull(),
    agentId: uuid('agent_id'),
    actor: text('actor').notNull(),
    keyId: text('key_id'),
    door: text('door').notNull(),
    addressSealed: bytea('address_sealed'),
    action: text('action').notNull(),
    path: text('path'),
    nodeId: uuid('node_id'),
    versionId: uuid('version_id'),
    outcome: text('outcome').notNull(),
    requestId: text('request_id').notNull(),
    eventId: uuid('event_id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.streamId, t.epoch, t.seq, t.changeIndex] })],
)

/** Wrapped keys. */
export const contentKeys = pgTable(
  'content_keys',
  {
    tenantId: uuid('tenant_id').notNull(),
    keyId: uuid('key_id').notNull(),
    purpose: text('purpose').$type<'content' | 'stream' | 'subject' | 'audit'>().notNull(),
    agentId: uuid('agent_id'),
    nodeId: uuid('node_id'),
    keyVersion: integer('key_version').notNull().default(1),
    kekVersion: integer('kek_version').notNull(),
    wrapped: bytea('wrapped').notNull(),
    createdAt: instant('created_at').notNull(),
    ledgeredAt: instant('ledgered_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.keyId] })],
)

/** Deleted keys, for ever; one of the tenant's own id is of all its keys. */
export const tombstones = pgTable(
  'tombstones',
  {
    tenantId: uuid('tenant_id').notNull(),
    keyId: uuid('key_id').notNull(),
    reason: text('reason').notNull(),
    at: instant('at').notNull(),
    ledgeredAt: instant('ledgered_at'),
    record: bytea('record'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.keyId] })],
)

/** Signed checkpoints over a tenant's logs. */
export const auditCheckpoints = pgTable(
  'audit_checkpoints',
  {
    tenantId: uuid('tenant_id').notNull(),
    number: int8('number').notNull(),
    at: instant('at').notNull(),
    note: text('note').notNull(),
    hash: text('hash').notNull(),
    storedAt: instant('stored_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.number] })],
)

/** How far rebuilding streams from the object store is. */
export const recoveries = pgTable(
  'recoveries',
  {
    tenantId: uuid('tenant_id').notNull(),
    streamId: uuid('stream_id').notNull(),
    step: text('step').$type<'keys' | 'fold' | 'forked' | 'done'>().notNull(),
    imageId: uuid('image_id'),
    updatedAt: instant('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.streamId] })],
)

/** How often the service has counted itself on; the object store holds the last count too. */
export const generations = pgTable('generations', {
  tenantId: uuid('tenant_id').primaryKey(),
  counter: int8('counter').notNull(),
  behind: boolean('behind').notNull().default(false),
})
