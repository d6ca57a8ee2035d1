import { boolean, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { instant, int8 } from './columns.js'

/** Which agents have an open mirror. */
export const mirrors = pgTable(
  'mirrors',
  {
    tenantId: uuid('tenant_id').notNull(),
    agentId: uuid('agent_id').notNull(),
    state: text('state').$type<'on' | 'removing' | 'off'>().notNull(),
    target: text('target').notNull(),
    fillEpoch: integer('fill_epoch'),
    fillSeq: int8('fill_seq'),
    fillAfter: uuid('fill_after'),
    changedAt: instant('changed_at').notNull(),
    claimedBy: uuid('claimed_by'),
    claimedUntil: instant('claimed_until'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId] })],
)

/** Objects that the mirror wrote. */
export const mirrorDocuments = pgTable(
  'mirror_documents',
  {
    tenantId: uuid('tenant_id').notNull(),
    agentId: uuid('agent_id').notNull(),
    objectKey: text('object_key').notNull(),
    nodeId: uuid('node_id').notNull(),
    versionId: uuid('version_id'),
    sidecar: boolean('sidecar').notNull().default(false),
    writtenAt: instant('written_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId, t.objectKey] })],
)
