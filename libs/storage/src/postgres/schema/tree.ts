import { integer, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { bytea, instant, int8 } from './columns.js'

const ofAgent = { tenantId: uuid('tenant_id').notNull(), agentId: uuid('agent_id').notNull() }

/** Files, directories, symlinks. */
export const nodes = pgTable(
  'nodes',
  {
    ...ofAgent,
    nodeId: uuid('node_id').notNull(),
    kind: text('kind').$type<'file' | 'directory' | 'symlink'>().notNull(),
    mode: integer('mode').notNull(),
    uid: int8('uid').notNull(),
    gid: int8('gid').notNull(),
    mtimeSec: int8('mtime_sec').notNull(),
    mtimeNsec: integer('mtime_nsec').notNull(),
    ctimeSec: int8('ctime_sec').notNull(),
    ctimeNsec: integer('ctime_nsec').notNull(),
    size: int8('size').notNull().default(0),
    headVersion: uuid('head_version'),
    number: integer('number').notNull().default(0),
    links: integer('links').notNull().default(1),
    target: bytea('target'),
    xattrs: jsonb('xattrs').$type<Record<string, string>>(),
    contentKeyId: uuid('content_key_id'),
    createdAt: instant('created_at').notNull(),
    modifiedAt: instant('modified_at').notNull(),
    modifiedBy: text('modified_by').notNull(),
    seq: int8('seq').notNull(),
    deletedAt: instant('deleted_at'),
    deletedParent: uuid('deleted_parent'),
    deletedName: bytea('deleted_name'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.nodeId] })],
)

/** Names. */
export const entries = pgTable(
  'entries',
  {
    ...ofAgent,
    parentId: uuid('parent_id').notNull(),
    name: bytea('name').notNull(),
    nodeId: uuid('node_id').notNull(),
    seq: int8('seq').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.parentId, t.name] })],
)

/** Losing ids and the nodes they stand for. */
export const aliases = pgTable(
  'aliases',
  {
    ...ofAgent,
    aliasId: uuid('alias_id').notNull(),
    nodeId: uuid('node_id').notNull(),
    seq: int8('seq').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.aliasId] })],
)

/** Versions, with their manifests while staged. */
export const versions = pgTable(
  'versions',
  {
    ...ofAgent,
    nodeId: uuid('node_id').notNull(),
    versionId: uuid('version_id').notNull(),
    number: integer('number').notNull(),
    parents: uuid('parents').array().notNull(),
    author: text('author').notNull(),
    size: int8('size').notNull(),
    contentMac: bytea('content_mac').notNull(),
    partIds: uuid('part_ids').array().notNull(),
    keyId: uuid('key_id').notNull(),
    epoch: integer('epoch').notNull(),
    seq: int8('seq').notNull(),
    createdAt: instant('created_at').notNull(),
    sealed: bytea('sealed'),
    sealedLength: integer('sealed_length').notNull(),
    objectId: uuid('object_id'),
    objectOffset: int8('object_offset'),
    prefixOf: uuid('prefix_of'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.versionId] })],
)

/** Sealed content. */
export const parts = pgTable(
  'parts',
  {
    ...ofAgent,
    partId: uuid('part_id').notNull(),
    nodeId: uuid('node_id').notNull(),
    keyId: uuid('key_id').notNull(),
    size: integer('size').notNull(),
    contentMac: bytea('content_mac').notNull(),
    epoch: integer('epoch').notNull(),
    seq: int8('seq'),
    createdAt: instant('created_at').notNull(),
    sealed: bytea('sealed'),
    sealedLength: integer('sealed_length').notNull(),
    objectId: uuid('object_id'),
    objectOffset: int8('object_offset'),
    partIds: uuid('part_ids').array(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.partId] })],
)

/** Client stores with their last push and its answer. */
export const stores = pgTable(
  'stores',
  {
    ...ofAgent,
    storeId: uuid('store_id').notNull(),
    lastNumber: int8('last_number').notNull(),
    lastDigest: bytea('last_digest').notNull(),
    answerSealed: bytea('answer_sealed').notNull(),
    updatedAt: instant('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.storeId] })],
)

/** Every push that committed. */
export const storePushes = pgTable(
  'store_pushes',
  {
    ...ofAgent,
    storeId: uuid('store_id').notNull(),
    number: int8('number').notNull(),
    digest: bytea('digest').notNull(),
    epoch: integer('epoch').notNull(),
    seq: int8('seq'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.storeId, t.number] })],
)
