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

/** A database that nothing analyzes by itself, and a connection such as the service's. */
async function migrated(): Promise<{ cluster: PostgresCluster; sql: postgres.Sql }> {
  const cluster = await startPostgres({ settings: { autovacuum: 'off' } })
  const { url } = await cluster.createDatabase()
  await migrate({ url, passwords })
  const connection = { plan_cache_mode: 'force_generic_plan', enable_seqscan: false, jit: false } as const
  return { cluster, sql: postgres(url, { max: 1, connection, onnotice: () => undefined }) }
}

describe('a database without statistics', () => {
  let cluster: PostgresCluster
  let sql: postgres.Sql

  beforeAll(async () => {
    ;({ cluster, sql } = await migrated())
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

describe('a database with statistics, of many agents', () => {
  let cluster: PostgresCluster
  let sql: postgres.Sql

  beforeAll(async () => {
    ;({ cluster, sql } = await migrated())
    // Agents and nodes are beside the point.
    await sql`set session_replication_role = replica`
  })
  afterAll(async () => {
    await sql.end()
    await cluster.stop()
  })

  /** Adds so many versions to each of some agents, ten agents a tenant. */
  async function addVersions(agents: number, versions: number): Promise<void> {
    await sql`
      insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac, part_ids, key_id,
        sealed, sealed_length, epoch, seq, created_at)
      select md5('tenant ' || agent / 10)::uuid, md5('agent ' || agent)::uuid, gen_random_uuid(), gen_random_uuid(), 1, '{}', 'a', 1,
        '', '{}', gen_random_uuid(), '', 0, 0, seq, now()
      from generate_series(1, ${agents}) as agent, generate_series(1, ${versions}) as seq`
    await sql`analyze versions`
  }

  /** How versions of an agent that are named by their ids are changed. */
  async function planOfChange(): Promise<string> {
    const plan = await sql
      .unsafe(
        `explain (generic_plan) update versions v set sealed = null, object_id = $1, object_offset = place.at
          from unnest($2::uuid[], $3::bigint[], $4::bigint[]) as place (id, seq, at)
          where v.tenant_id = $5 and v.agent_id = $6 and v.version_id = place.id and v.epoch = $7 and v.seq = place.seq
            and v.sealed is not null`,
      )
      .simple()
    return plan.map((row) => String(row['QUERY PLAN'])).join('\n')
  }

  it('does not read the rows of an agent once for each that is named', async () => {
    await addVersions(4_000, 10)
    expect(await planOfChange()).not.toContain('Join Filter')
  })

  it('reads those that are named alone where an agent may have many', async () => {
    await addVersions(1, 5_000)
    expect(await planOfChange()).toMatch(/Index Scan using versions_pkey[^]*?Index Cond: .*place\.id/)
  })

  it('counts for every agent and tenant what the largest has, in every table', async () => {
    const left = await sql`
      select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and (
        (a.attname in ('tenant_id', 'agent_id', 'stream_id') and not coalesce(a.attoptions, '{}') @> '{n_distinct=4}')
        or (a.attname in ('agent_id', 'stream_id')
          and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
          and not exists (select from pg_statistic_ext s where s.stxrelid = c.oid and a.attnum = any (s.stxkeys))))`
    expect(left).toEqual([])
  })
})
