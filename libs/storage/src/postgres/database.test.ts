import { setImmediate } from 'node:timers/promises'
import { mintTenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import { type PostgresCluster, startPostgres, waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import postgres from 'postgres'
import { assertSafe } from './assert-safe.js'
import { Database } from './database.js'
import { migrate, MigrationError, shippedMigrations } from './migrate.js'
import { roleUrl } from './roles.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }

describe('the database', () => {
  let cluster: PostgresCluster
  let url: string
  let database: Database

  beforeAll(async () => {
    cluster = await startPostgres()
    ;({ url } = await cluster.createDatabase())
    await Promise.all([migrate({ url, passwords }), migrate({ url, passwords })])
    database = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 4,
    })
  })
  afterAll(async () => {
    await database.close()
    await cluster.stop()
  })

  const insertTenant = async (): Promise<ReturnType<typeof mintTenantScope>> => {
    const scope = mintTenantScope(uuidv7())
    await database.withTenant(scope, async (tx) => {
      void tx.query`insert into tenants (tenant_id, name, created_at) values (${tx.tenantId}, 'a', now())`
    })
    return scope
  }

  it('[ISO-2] is safe as migrated', async () => assertSafe(database))

  it('[ISO-2] refuses to start as a superuser', async () => {
    const owner = new Database({ url, headsUrl: url, poolSize: 1, headsPoolSize: 1 })
    await expect(assertSafe(owner)).rejects.toThrow('may bypass row-level security')
    await owner.close()
  })

  it('[ISO-2] refuses to start when a tenant table lost its fence', async () => {
    const sql = postgres(url, { max: 1 })
    await sql`alter table nodes no force row level security`
    await expect(assertSafe(database)).rejects.toThrow('table nodes has no forced row-level security')
    await sql`alter table nodes force row level security`
    await sql.end()
  })

  describe('a transaction that fails while a query of it is under way', () => {
    let one: Database

    beforeAll(() => {
      one = new Database({
        url: roleUrl(url, 'app', passwords.app),
        headsUrl: roleUrl(url, 'heads', passwords.heads),
        poolSize: 1,
      })
    })
    afterAll(() => one.close())

    it('leaves the next borrower of its connection a sound one, though that query fails too', async () => {
      const scope = mintTenantScope(uuidv7())
      const failing = one.withTenant(scope, async (tx) => {
        await tx.query`select 1`
        void tx.query`select 1 / 0`
        throw new Error('refused')
      })
      await expect(failing).rejects.toThrow('refused')
      const next = await one.withTenant(scope, (tx) => tx.query<{ two: number }>`select 2 as two`)
      expect(next[0]?.two).toBe(2)
    })

    it('[ISO-2] sends nothing more, so that no straggler stands before the next borrower', async () => {
      const scope = mintTenantScope(uuidv7())
      const over = Promise.withResolvers<unknown>()
      const failing = one.withTenant(scope, async (tx) => {
        await tx.query`select 1`
        // Another branch of the same work, which goes on behind the failure.
        void setImmediate()
          .then(() => tx.query`select 1 / 0`)
          .then(over.resolve, over.resolve)
        throw new Error('refused')
      })
      const next = one.withTenant(scope, (tx) => tx.query<{ two: number }>`select 2 as two`)
      await expect(failing).rejects.toThrow('refused')
      expect((await next)[0]?.two).toBe(2)
      expect(String(await over.promise)).toContain('behind the end of its transaction')
    })
  })

  it('[DUR-2] sends no query behind one that failed: behind a BEGIN that did, each would commit on its own', async () => {
    const scope = mintTenantScope(uuidv7())
    const errors: unknown[] = []
    const attempt = database.withTenant(scope, async (tx) => {
      await tx.query`select 1 / 0`.catch((error: unknown) => errors.push(error))
      await tx.query`select 1`.catch((error: unknown) => errors.push(error))
    })
    await expect(attempt).rejects.toMatchObject({ code: '22012' })
    expect(errors).toMatchObject([{ code: '22012' }, { code: '22012' }])
  })

  it('[OUT-1] asks to try again where a table changed under a kept plan', async () => {
    const owner = postgres(url, { max: 1 })
    await owner`create table changing (a integer)`
    await owner`grant select on changing to agentfs_app`
    const read = () => database.withoutTenant((tx) => tx.query`select * from changing`)
    expect(await read()).toEqual([])
    await owner`alter table changing add column b integer`
    await expect(read()).rejects.toMatchObject({ code: 'unavailable' })
    expect(await read()).toEqual([])
    await owner`drop table changing`
    await owner.end()
  })

  it('reads bytes and times whatever the settings of the database are', async () => {
    const owner = postgres(url, { max: 1 })
    const { database: name } = owner.options
    await owner.unsafe(`alter database ${name} set bytea_output = 'escape'`)
    await owner.unsafe(`alter database ${name} set datestyle = 'German'`)
    const fresh = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 1,
    })
    const rows = await fresh.withoutTenant(
      (tx) =>
        tx.query`select ${Buffer.from('a\0b')}::bytea as bytes, ${'2026-02-01T03:04:05Z'}::timestamptz as at`,
    )
    expect(rows).toEqual([{ bytes: Buffer.from('a\0b'), at: new Date('2026-02-01T03:04:05Z') }])
    await fresh.close()
    await owner.unsafe(`alter database ${name} reset all`)
    await owner.end()
  })

  it('opens no connection once it is closed', async () => {
    const closed = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 1,
    })
    const underWay = closed.withoutTenant((tx) => tx.query`select pg_sleep(0.2)`)
    const waiting = closed.withoutTenant((tx) => tx.query`select 1`)
    await closed.close()
    await expect(Promise.all([underWay, waiting])).resolves.toHaveLength(2)
    await expect(closed.withoutTenant((tx) => tx.query`select 1`)).rejects.toMatchObject({
      code: 'unavailable',
    })
  })

  it('[ISO-2] shows a tenant no rows of another, and lets it write none', async () => {
    const own = await insertTenant()
    const foreign = await insertTenant()
    const rows = await database.withTenant(own, (tx) => tx.query`select tenant_id from tenants`)
    expect(rows).toEqual([{ tenantId: own.tenantId }])
    await expect(
      database.withTenant(
        own,
        (tx) => tx.query`
        insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at)
        values (${foreign.tenantId}, 1, '', '', now())`,
      ),
    ).rejects.toThrow('row-level security')
  })

  it('[DUR-2] commits nothing where a query that nobody awaited failed', async () => {
    const scope = mintTenantScope(uuidv7())
    await expect(
      database.withTenant(scope, async (tx) => {
        void tx.query`insert into tenants (tenant_id, name, created_at) values (${tx.tenantId}, 'a', now())`
        void tx.query`insert into nonsense values (1)`
      }),
    ).rejects.toThrow('nonsense')
    expect(await database.withTenant(scope, (tx) => tx.query`select 1 from tenants`)).toHaveLength(0)
  })

  it('[DUR-2] runs nothing outside the transaction when its connection dies under it', async () => {
    const scope = mintTenantScope(uuidv7())
    const superuser = postgres(url, { max: 1 })
    let reached = false
    const attempt = database.withTenant(scope, async (tx) => {
      const [own] = await tx.query<{ pid: number }>`select pg_backend_pid() as pid`
      await superuser`select pg_terminate_backend(${own?.pid ?? 0})`
      await waitFor(
        async () =>
          (await superuser`select 1 from pg_stat_activity where pid = ${own?.pid ?? 0}`).length === 0,
        { deadlineMs: 5_000, what: 'the backend to end' },
      )
      reached = true
      await tx.query`insert into tenants (tenant_id, name, created_at) values (${tx.tenantId}, 'a', now())`
    })
    await expect(attempt).rejects.toMatchObject({ code: 'unavailable' })
    expect(reached).toBe(true)
    expect(await database.withTenant(scope, (tx) => tx.query`select 1 from tenants`)).toHaveLength(0)
    await superuser.end()
  })

  it('[OUT-1] answers unavailable while Postgres is down and recovers by itself', async () => {
    const scope = await insertTenant()
    await cluster.crash()
    await expect(database.withTenant(scope, (tx) => tx.query`select 1`)).rejects.toMatchObject({
      code: 'unavailable',
    })
    await cluster.start()
    const rows = await waitFor(() => database.withTenant(scope, (tx) => tx.query`select name from tenants`), {
      deadlineMs: 10_000,
      what: 'the database to be back',
    })
    expect(rows).toEqual([{ name: 'a' }])
  })

  it('refuses a database whose applied migration was edited, or that is newer', async () => {
    const shipped = await shippedMigrations()
    const edited = shipped.map((migration) => ({ ...migration, checksum: 'other' }))
    await expect(migrate({ url, passwords, migrations: edited })).rejects.toThrow(MigrationError)
    await expect(migrate({ url, passwords, migrations: [] })).rejects.toThrow('newer than this program')
    expect(await migrate({ url, passwords })).toEqual({ version: shipped.at(-1)?.version, applied: [] })
  })
})
