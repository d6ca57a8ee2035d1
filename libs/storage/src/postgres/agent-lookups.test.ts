import { mintTenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import { type PostgresCluster, startPostgres } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import postgres from 'postgres'
import { findAgent } from './agents-store.js'
import { Database } from './database.js'
import { migrate } from './migrate.js'
import { roleUrl } from './roles.js'
import { lockAgent } from './streams-store.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }
const AGENTS = 50

describe('an agent among many of its tenant', () => {
  const scope = mintTenantScope(uuidv7())
  const agents = Array.from({ length: AGENTS }, (_, at) => ({ id: uuidv7(), name: `agent-${at}` }))
  /** Its name is another agent's id. */
  const twin = { id: uuidv7(), name: agents[7]?.id ?? '' }
  let statement = ''
  let cluster: PostgresCluster
  let database: Database
  let sql: postgres.Sql

  beforeAll(async () => {
    cluster = await startPostgres({ settings: { autovacuum: 'off' } })
    const { url } = await cluster.createDatabase()
    await migrate({ url, passwords })
    database = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      onStatement: (text) => (statement = text),
    })
    // As the service's connections are.
    const connection = { plan_cache_mode: 'force_generic_plan', enable_seqscan: false, jit: false } as const
    sql = postgres(url, { max: 1, connection, onnotice: () => undefined })
    const { tenantId } = scope
    await sql`insert into tenants (tenant_id, name, created_at) values (${tenantId}, 'a', now())`
    for (const { id, name } of [...agents, twin]) {
      const key = uuidv7()
      await sql`insert into agents (tenant_id, agent_id, name, root_id, stream_key_id, created_at)
        values (${tenantId}, ${id}, ${name}, ${uuidv7()}, ${key}, now())`
      await sql`insert into streams (tenant_id, stream_id, kind, agent_id, key_id)
        values (${tenantId}, ${id}, 'agent', ${id}, ${key})`
    }
  })
  afterAll(async () => {
    await sql.end()
    await database.close()
    await cluster.stop()
  })

  const find = (idOrName: string) => database.readTenant(scope, (tx) => findAgent(tx, idOrName))
  const lock = (id: string) => database.readTenant(scope, (tx) => lockAgent(tx, id))
  /** How the last statement looks agents up: what each look at an index of theirs goes by. */
  const conditions = async (): Promise<string[]> => {
    const plan = await sql.unsafe(`explain (generic_plan) ${statement}`).simple()
    const text = plan.map((row) => String(row['QUERY PLAN'])).join('\n')
    return [...text.matchAll(/agents_\w+ on agents[^]*?Index Cond: (.*)/g)].map(([, found = '']) => found)
  }

  it('is found by id and by name, an id before a name that looks like it', async () => {
    const [agent] = agents
    if (agent === undefined) throw new Error('no agents')
    expect((await find(agent.id))?.name).toBe(agent.name)
    expect((await find(agent.name))?.agentId).toBe(agent.id)
    expect((await find(twin.name))?.agentId).toBe(twin.name)
    expect(await find(uuidv7())).toBeUndefined()
    expect(await find('nobody')).toBeUndefined()
    const looks = await conditions()
    expect(looks.length).toBeGreaterThan(0)
    for (const condition of looks) expect(condition).toMatch(/agent_id = |name = /)
  })

  it('is locked by a look at its own row alone', async () => {
    const [agent] = agents
    expect((await lock(agent?.id ?? ''))?.name).toBe(agent?.name)
    const looks = await conditions()
    expect(looks).toHaveLength(1)
    for (const condition of looks) expect(condition).toContain('agent_id = ')
  })

  it('is gone once it is deleted, for whoever finds or locks it, and its name is free', async () => {
    const last = agents.at(-1)
    if (last === undefined) throw new Error('no agents')
    await sql`update agents set deleted_at = now() where agent_id = ${last.id}`
    expect([await find(last.id), await find(last.name), await lock(last.id)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    await sql`update agents set name = ${last.name} where agent_id = ${twin.id}`
    expect((await find(last.name))?.agentId).toBe(twin.id)
  })
})
