import { uuidv7 } from '@agentfs/contracts'
import { type PostgresCluster, startPostgres } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import postgres from 'postgres'
import { migrate } from './migrate.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }

/** What every request looks up, and the columns by which it does. */
const LOOKUPS = [
  ['agents', ['agent_id']],
  ['streams', ['stream_id']],
  ['nodes', ['agent_id', 'node_id']],
  ['aliases', ['agent_id', 'alias_id']],
  ['entries', ['agent_id', 'parent_id', 'name']],
  ['entries', ['agent_id', 'node_id']],
  ['versions', ['agent_id', 'version_id']],
  ['parts', ['agent_id', 'part_id']],
  ['content_keys', ['key_id']],
  ['tombstones', ['key_id']],
] as const

describe('a database without statistics', () => {
  let cluster: PostgresCluster
  let sql: postgres.Sql

  beforeAll(async () => {
    cluster = await startPostgres({ settings: { autovacuum: 'off' } })
    const { url } = await cluster.createDatabase()
    await migrate({ url, passwords })
    // As the service's connections are.
    const connection = { plan_cache_mode: 'force_generic_plan', enable_seqscan: false, jit: false } as const
    sql = postgres(url, { max: 1, connection, onnotice: () => undefined })
    const tenant = uuidv7()
    await sql`insert into tenants (tenant_id, name, created_at) values (${tenant}, 'a', now())`
  })
  afterAll(async () => {
    await sql.end()
    await cluster.stop()
  })

  it.each(LOOKUPS)('looks %s up by all of tenant_id, %s at once', async (table, columns) => {
    const all: readonly string[] = ['tenant_id', ...columns]
    const conditions = all.map((column, index) => `${column} = $${index + 1}`).join(' and ')
    const plan = await sql
      .unsafe(`explain (generic_plan) select * from ${table} where ${conditions}`)
      .simple()
    const text = plan.map((row) => String(row['QUERY PLAN'])).join('\n')
    // An index on nodes' ids need not have the agent: no two agents of a tenant have one node.
    if (all.includes('node_id') && table === 'entries') {
      expect(text).toContain('entries_node')
      return
    }
    for (const index of all.keys()) expect(text).toMatch(new RegExp(`Index Cond: .*\\$${index + 1}\\b`))
    expect(text).not.toContain('Filter')
  })

  it('looks the names of a path up by all of their key', async () => {
    const plan = await sql
      .unsafe(
        `explain (generic_plan) with recursive walk (depth, node_id) as (
          select 0, $1::uuid union all
          select w.depth + 1, e.node_id from walk w cross join lateral (
            select node_id from entries where tenant_id = $2 and agent_id = $3 and parent_id = w.node_id
              and name = ($4::bytea[])[w.depth + 1] offset 0) e where w.depth < $5::integer)
        select * from walk`,
      )
      .simple()
    const text = plan.map((row) => String(row['QUERY PLAN'])).join('\n')
    expect(text).toMatch(/Index Scan using entries_pkey[^]*?Index Cond: .*parent_id.*name/)
  })
})
