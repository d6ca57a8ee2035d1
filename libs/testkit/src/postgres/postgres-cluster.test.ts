import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import postgres from 'postgres'
import { type PostgresCluster, startPostgres } from './postgres-cluster.js'

async function query<T extends object>(url: string, text: string): Promise<T[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    return [...(await sql.unsafe<T[]>(text))]
  } finally {
    await sql.end({ timeout: 5 })
  }
}

describe('a throw-away Postgres', () => {
  let cluster: PostgresCluster
  beforeAll(async () => {
    cluster = await startPostgres()
  })
  afterAll(async () => cluster.stop())

  it('keeps databases apart', async () => {
    const [one, two] = await Promise.all([cluster.createDatabase(), cluster.createDatabase()])
    await query(one.url, 'create table t (a int)')
    await expect(query(two.url, 'select * from t')).rejects.toThrow('does not exist')
  })

  it('copies a template, so that migrations run once for many test files', async () => {
    const template = await cluster.createDatabase({ name: 'migrated' })
    await query(template.url, 'create table t (a int); insert into t values (7)')
    const copy = await cluster.createDatabase({ template: 'migrated' })
    expect(await query(copy.url, 'select a from t')).toEqual([{ a: 7 }])
    await cluster.dropDatabase(copy.name)
    await expect(query(copy.url, 'select 1')).rejects.toThrow('does not exist')
  })

  it('is refused to a wrong password', async () => {
    const url = cluster.url().replace(/:[^:@]+@/, ':wrong@')
    await expect(query(url, 'select 1')).rejects.toThrow('password')
  })

  it('comes back on the same port with its committed rows after kill -9', async () => {
    const { url } = await cluster.createDatabase()
    await query(url, 'create table t (a int); insert into t values (1)')
    const portBefore = cluster.port
    await cluster.crash()
    await expect(query(url, 'select 1')).rejects.toThrow('ECONNREFUSED')
    await cluster.start()
    expect(cluster.port).toBe(portBefore)
    expect(await query(url, 'select a from t')).toEqual([{ a: 1 }])
  })

  it('leaves neither process nor data when it is stopped', async () => {
    const other = await startPostgres()
    const { pid, dataDirectory } = other
    await other.stop()
    await other.stop()
    expect(existsSync(dataDirectory)).toBe(false)
    expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH')
  })

  it('says what is wrong when it cannot start', async () => {
    await expect(startPostgres({ settings: { shared_buffers: 'nonsense' } })).rejects.toThrow(
      'shared_buffers',
    )
    await expect(startPostgres({ binDirectory: '/nonexistent' })).rejects.toThrow('/nonexistent/postgres')
  })
})
