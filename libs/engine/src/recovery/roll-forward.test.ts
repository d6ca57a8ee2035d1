import { createHash } from 'node:crypto'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { type Database, PackingStore } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import type { Engine } from '../engine.js'
import { Packer } from '../followers/packer.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { Generation, hasCounted } from './generation.js'
import { rollForward } from './recover.js'

const TABLES = {
  users: 'user_id, email_hash, role, created_at',
  api_keys: 'key_id, name, secret_hash, role, revoked_at',
  agents: 'agent_id, name, root_id, deleted_at',
  nodes:
    'agent_id, node_id, kind, mode, mtime_sec, size, head_version, number, deleted_at, deleted_name, seq',
  entries: 'agent_id, parent_id, name, node_id, seq',
  versions:
    'agent_id, node_id, version_id, number, parents, size, content_mac, key_id, epoch, seq, sealed_length',
  parts: 'agent_id, part_id, key_id, size, content_mac, epoch, seq, sealed_length',
  store_pushes: 'agent_id, store_id, number, digest, epoch, seq',
  content_keys: 'key_id, purpose, agent_id, key_version, kek_version, wrapped',
} as const

describe('[DUR-6] a database restored from a backup is brought up to its bucket', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }

  beforeAll(async () => {
    running = await startEngine()
  })
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'kept' })
  })
  afterAll(() => running.stop())

  const put = (engine: Engine, path: string, text: string, of = agent.id) =>
    engine.files.put(caller, of, path, Buffer.from(text))
  const read = async (engine: Engine, path: string, of = agent.id) =>
    textOf((await engine.files.read(caller, of, { path })).body)
  const rowsOf = async (database: Database): Promise<Record<string, string[]>> => {
    const all: Record<string, string[]> = {}
    for (const [table, columns] of Object.entries(TABLES)) {
      all[table] = await database.withTenant(caller.principal.scope, async (tx) => {
        const text = `select ${columns} from ${table} where tenant_id = '${tx.tenantId}'`
        return (await tx.query(Object.assign([text], { raw: [text] })))
          .map((row) => JSON.stringify(row))
          .sort()
      })
    }
    return all
  }
  const storeAll = async (database: Database) => {
    const { scope } = caller.principal
    const streams = await database.withTenant(
      scope,
      (tx) => tx.query<{ streamId: string }>`select stream_id from streams where tenant_id = ${tx.tenantId}`,
    )
    const ids = streams.map(({ streamId }) => streamId)
    await new PackingStore(database).requestFlush(scope, ids)
    const packer = new Packer({ database, resources: running.resources })
    for (const id of ids) for await (const outcome of packer.advance(scope, id)) void outcome
  }
  const forward = async (database: Database) => {
    const { losses } = await rollForward({ database, resources: running.resources })
    return losses.filter(({ tenant }) => tenant === caller.principal.scope.tenantId)
  }

  it('has afterwards all that was stored since: files, deletions, agents, keys; what waited too', async () => {
    const store = uuidv7()
    const push = async (engine: Engine, number: number, epoch: number, previous: string | null) => {
      const node = createHash('sha256').update(`${store}${number}`).digest('hex')
      const id = `${node.slice(0, 8)}-${node.slice(8, 12)}-7${node.slice(13, 16)}-8${node.slice(17, 20)}-${node.slice(20, 32)}`
      const operations: Operation[] = [
        { op: 'create', node: id, kind: 'directory', parent: agent.root, name: `folder ${number}` },
      ]
      const request = { store, number, previous, operations }
      const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
      const answer: PushAnswer = await engine.sync.push(caller, agent.id, epoch, request, digest)
      return { answer, digest }
    }
    await put(running.engine, 'old.md', 'old')
    await put(running.engine, 'gone.md', 'gone')
    await storeAll(running.database)
    await put(running.engine, 'old.md', 'newer, and still waiting')
    await put(running.engine, 'waiting.md', 'waiting')
    const first = await push(running.engine, 1, 0, null)
    const backup = await running.copyDatabase()

    const second = await push(running.engine, 2, 0, first.digest)
    await put(running.engine, 'waiting.md', 'changed since')
    await put(running.engine, 'after.md', 'after')
    await running.engine.files.delete(caller, agent.id, 'gone.md', {})
    const added = await running.engine.agents.create(caller, { name: 'added' })
    await put(running.engine, 'its.md', 'its', added.id)
    const key = await running.engine.accounts.createKey(caller, { name: 'new', role: 'reader' })
    await storeAll(running.database)
    const newest = await rowsOf(running.database)

    expect(await forward(backup.database)).toEqual([])
    const after = await rowsOf(backup.database)
    for (const table of Object.keys(TABLES))
      expect({ table, rows: after[table] }).toEqual({ table, rows: newest[table] })
    const { engine } = backup
    expect(await read(engine, 'old.md')).toBe('newer, and still waiting')
    expect(await read(engine, 'waiting.md')).toBe('changed since')
    expect(await read(engine, 'its.md', added.id)).toBe('its')
    await expect(read(engine, 'gone.md')).rejects.toMatchObject({ code: 'not_found' })
    expect((await engine.accounts.verifyApiKey(key.secret, '127.0.0.1')).limits.role).toBe('reader')

    await expect(engine.sync.changes(caller, agent.id, { since: 1, epoch: 0 })).rejects.toMatchObject({
      code: 'epoch_changed',
    })
    const { epoch } = await engine.sync.snapshot(caller, agent.id, { limit: 1 })
    expect((await push(engine, 2, epoch, first.digest)).answer).toEqual(second.answer)

    await put(engine, 'then.md', 'then')
    await storeAll(backup.database)
    const rebuilt = await running.emptyDatabase()
    expect(await forward(rebuilt.database)).toEqual([])
    expect(await read(rebuilt.engine, 'then.md')).toBe('then')
    expect(await read(rebuilt.engine, 'after.md')).toBe('after')
  })

  it('[ENC-3] what was erased since stays erased', async () => {
    await put(running.engine, 'secret.md', 'to be erased')
    await put(running.engine, 'kept.md', 'kept')
    await storeAll(running.database)
    const backup = await running.copyDatabase()
    expect(await read(backup.engine, 'secret.md')).toBe('to be erased')
    await running.engine.files.delete(caller, agent.id, 'secret.md', { erase: true })
    await storeAll(running.database)
    expect(await forward(backup.database)).toEqual([])
    await expect(read(backup.engine, 'secret.md')).rejects.toMatchObject({ code: 'not_found' })
    expect(await read(backup.engine, 'kept.md')).toBe('kept')
    const open = await backup.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`select 1 as one from content_keys k join tombstones t using (tenant_id, key_id)
        where k.tenant_id = ${tx.tenantId} and t.tenant_id = ${tx.tenantId} and k.wrapped <> ''`,
    )
    expect(open).toEqual([])
    // Pieces of the ledger that still have a copy are on their way out.
    const pieces = await backup.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ stale: boolean }>`select stale from objects
        where tenant_id = ${tx.tenantId} and kind = 'keys' and state = 'live'`,
    )
    expect(pieces.map(({ stale }) => stale)).toContain(true)
  })

  it('keeps and stores what only the database has', async () => {
    await put(running.engine, 'a.md', 'a')
    await storeAll(running.database)
    await put(running.engine, 'acknowledged.md', 'never stored')
    const backup = await running.copyDatabase()
    expect(await forward(backup.database)).toEqual([])
    expect(await read(backup.engine, 'acknowledged.md')).toBe('never stored')
    const rebuilt = await running.emptyDatabase()
    expect(await forward(rebuilt.database)).toEqual([])
    expect(await read(rebuilt.engine, 'acknowledged.md')).toBe('never stored')
  })

  it('never mixes two histories: the later one of the bucket counts, and the report names what went', async () => {
    await put(running.engine, 'a.md', 'a')
    await storeAll(running.database)
    const [one, other] = [await running.copyDatabase(), await running.copyDatabase()]
    await put(one.engine, 'one.md', 'of a history that is left behind')
    await put(other.engine, 'other.md', 'of the one that is stored')
    await storeAll(other.database)
    const losses = await forward(one.database)
    expect(losses).toContainEqual({
      kind: 'dropped',
      tenant: caller.principal.scope.tenantId,
      agent: agent.id,
      detail: expect.stringMatching(
        /commits (\d+) to \1 of epoch 0 are not in the history that the bucket holds/,
      ) as unknown as string,
    })
    expect(await read(one.engine, 'other.md')).toBe('of the one that is stored')
    expect(await read(one.engine, 'a.md')).toBe('a')
    await expect(read(one.engine, 'one.md')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('drops what came after the commit at which the bucket went on in another epoch', async () => {
    await put(running.engine, 'a.md', 'a')
    await storeAll(running.database)
    const [one, other] = [await running.copyDatabase(), await running.copyDatabase()]
    await put(one.engine, 'one.md', 'of a history that is left behind')
    expect(await forward(other.database)).toEqual([])
    await put(other.engine, 'other.md', 'of the next epoch')
    await storeAll(other.database)
    expect((await forward(one.database)).map(({ kind }) => kind)).toContain('dropped')
    expect(await read(one.engine, 'other.md')).toBe('of the next epoch')
    expect(await read(one.engine, 'a.md')).toBe('a')
    await expect(read(one.engine, 'one.md')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('is noticed by a count that the bucket holds too, however often it is looked at', async () => {
    const count = (database: Database) => new Generation(database, running.resources)
    expect(await hasCounted(running.database)).toBe(false)
    expect(await count(running.database).countOn()).toBe('counted')
    const backup = await running.copyDatabase()
    expect(await count(running.database).countOn()).toBe('counted')
    expect(await hasCounted(backup.database)).toBe(true)
    for (let look = 0; look < 2; look++) expect(await count(backup.database).countOn()).toBe('behind')
    await forward(backup.database)
    await count(backup.database).catchUp()
    expect(await count(backup.database).countOn()).toBe('counted')
    // Now the one that was left is the older.
    expect(await count(running.database).countOn()).toBe('behind')
  })
})
