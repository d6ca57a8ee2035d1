import { type PostgresCluster, startPostgres } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { getTableName, is } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { migrate } from '../migrate.js'
import * as schema from './index.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }
/** Tables outside the tenants. */
const GLOBAL = ['email_directory', 'schema_migrations']

describe('the schema as Postgres has it', () => {
  let cluster: PostgresCluster
  let sql: postgres.Sql

  beforeAll(async () => {
    cluster = await startPostgres()
    const { url } = await cluster.createDatabase()
    await migrate({ url, passwords })
    sql = postgres(url, { max: 1 })
  })
  afterAll(async () => {
    await sql.end()
    await cluster.stop()
  })

  it('is what the drizzle tables say: names, types, null or not', async () => {
    const rows = await sql<{ table: string; column: string; type: string; required: boolean }[]>`
      select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
        and c.relname <> 'schema_migrations'`
    const inDatabase = rows.map(
      ({ table, column, type, required }) => `${table}.${column} ${type} ${required}`,
    )
    const tables = Object.values(schema).flatMap((value: unknown) => (is(value, PgTable) ? [value] : []))
    const inCode = tables.flatMap((table) =>
      getTableConfig(table).columns.map(
        (column) => `${getTableName(table)}.${column.name} ${column.getSQLType()} ${column.notNull}`,
      ),
    )
    expect(inCode.toSorted()).toEqual(inDatabase.toSorted())
  })

  it('has tenant_id first in every primary key, unique index and foreign key of a tenant table', async () => {
    const rows = await sql<{ table: string; name: string; first: string }[]>`
      select c.relname as table, i.relname as name, a.attname as first
      from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]
      where c.relnamespace = 'public'::regnamespace and x.indisunique
      union all
      select c.relname, k.conname, a.attname from pg_constraint k join pg_class c on c.oid = k.conrelid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
      where c.relnamespace = 'public'::regnamespace and k.contype = 'f'`
    const ofTenants = rows.filter(({ table }) => !GLOBAL.includes(table))
    expect(ofTenants.length).toBeGreaterThan(20)
    expect(ofTenants.filter(({ first }) => first !== 'tenant_id')).toEqual([])
  })

  it('refers by a foreign key to the same tenant only', async () => {
    const rows = await sql<{ name: string; column: string }[]>`
      select k.conname as name, a.attname as column from pg_constraint k
      join pg_attribute a on a.attrelid = k.confrelid and a.attnum = k.confkey[1] where k.contype = 'f'`
    expect(rows.filter(({ column }) => column !== 'tenant_id')).toEqual([])
  })

  it('has no triggers, rules, sequences or views of its own', async () => {
    const rows = await sql`
      select tgname as name from pg_trigger where not tgisinternal
      union all select rulename from pg_rewrite r join pg_class c on c.oid = r.ev_class where c.relnamespace = 'public'::regnamespace
      union all select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('S', 'v', 'm')`
    expect([...rows]).toEqual([])
  })

  it('[ISO-2] forces row-level security, with a policy for reading and one for writing, on every tenant table', async () => {
    const rows = await sql<{ table: string }[]>`
      select c.relname as table from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all (${GLOBAL})
        and not (c.relrowsecurity and c.relforcerowsecurity and exists (
          select from pg_policy p where p.polrelid = c.oid and p.polcmd = '*' and p.polqual is not null and p.polwithcheck is not null))`
    expect([...rows]).toEqual([])
  })

  it('lets the heads role read positions and sums, and nothing that names or holds anything', async () => {
    const rows = await sql<{ table: string; column: string }[]>`
      select table_name as table, column_name as column from information_schema.column_privileges
      where grantee = 'agentfs_heads' order by 1, 2`
    const columns = rows.map(({ table, column }) => `${table}.${column}`)
    for (const column of columns) expect(column).toMatch(/^(streams|followers|storage_usage)\./)
    for (const secret of ['streams.key_id', 'streams.merkle_range']) expect(columns).not.toContain(secret)
  })

  it('takes no default id from the database', async () => {
    const rows = await sql`
      select table_name, column_name, column_default from information_schema.columns
      where table_schema = 'public' and (column_default like '%uuid%' or column_default like 'nextval%' or is_identity = 'YES')`
    expect([...rows]).toEqual([])
  })
})
