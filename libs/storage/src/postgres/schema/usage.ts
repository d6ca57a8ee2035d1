import { pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { instant, int8 } from './columns.js'

/** What stands in the bucket, as last counted. */
export const storageUsage = pgTable(
  'storage_usage',
  {
    tenantId: uuid('tenant_id').notNull(),
    what: text('what').notNull(),
    state: text('state').notNull(),
    count: int8('count').notNull(),
    bytes: int8('bytes').notNull(),
    liveBytes: int8('live_bytes').notNull(),
    measuredAt: instant('measured_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.what, t.state] })],
)
