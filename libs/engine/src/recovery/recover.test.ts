import { createHash, randomBytes } from 'node:crypto'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { type ExportLine, verifyExport } from '@agentfs/audit'
import type { Database } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Checkpointer } from '../checkpoints/checkpointer.js'
import type { Engine } from '../engine.js'
import { encodeKeyLedger } from '../followers/key-ledger-format.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { databaseForRecovery, recover } from './recover.js'
import { RECOVERED, recoveredRows } from './recovered-rows.contract.js'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

describe('[DUR-6] recover, from the bucket, the key ledger and the KMS alone', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }
  let secret: string

  beforeAll(async () => {
    running = await startEngine()
    const made = await newTenant(running.engine)
    caller = made.caller
    secret = made.signup.apiKey.secret
    agent = await running.engine.agents.create(caller, { name: 'kept' })
  })
  afterAll(() => running.stop())

  const store = uuidv7()
  let number = 0
  let previous: string | null = null
  const push = async (
    operations: Operation[],
    on: Engine = running.engine,
    epoch = 0,
  ): Promise<{ answer: PushAnswer; again: (engine: Engine, inEpoch: number) => Promise<PushAnswer> }> => {
    const request = { store, number: ++number, previous, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const again = (engine: Engine, inEpoch: number) =>
      engine.sync.push(caller, agent.id, inEpoch, request, digest)
    const answer = await again(on, epoch)
    previous = digest
    return { answer, again }
  }
  const storeAll = async () => {
    const { scope } = caller.principal
    const streams = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ streamId: string }>`select stream_id from streams where tenant_id = ${tx.tenantId}`,
    )
    await running.engine.audit.flush()
    for (const { streamId } of streams) await running.pack(caller, streamId)
  }
  const rebuilt = async () => {
    const { database, engine } = await running.emptyDatabase()
    const report = await recover({ database, resources: running.resources })
    return { database, engine, report }
  }
  const read = async (engine: Engine, path: string, version?: number) =>
    textOf(
      (await engine.files.read(caller, agent.id, { path }, version === undefined ? {} : { version })).body,
    )

  let last: Awaited<ReturnType<typeof push>>

  it('brings back every row: trees, versions, deletions, aliases, renames, people, keys, pushes', async () => {
    const [file, gone, moved, folder, twin] = [uuidv7(), uuidv7(), uuidv7(), uuidv7(), uuidv7()]
    const base = uuidv7()
    await push([
      { op: 'create', node: folder, kind: 'directory', parent: agent.root, name: 'notes' },
      { op: 'create', node: file, kind: 'file', parent: folder, name: 'a.md' },
      {
        op: 'write',
        node: file,
        base: null,
        version: base,
        size: 3,
        extents: [{ offset: 0, data: bytes('one') }],
      },
      { op: 'create', node: gone, kind: 'file', parent: agent.root, name: 'gone.md' },
      {
        op: 'write',
        node: gone,
        base: null,
        version: uuidv7(),
        size: 4,
        extents: [{ offset: 0, data: bytes('gone') }],
      },
      { op: 'symlink', node: uuidv7(), parent: agent.root, name: 'link', target: 'notes/a.md' },
      { op: 'create', node: moved, kind: 'file', parent: agent.root, name: 'old-name' },
    ])
    await push([
      { op: 'append', node: file, version: uuidv7(), data: bytes(' two') },
      { op: 'unlink', node: gone, parent: agent.root, name: 'gone.md' },
      {
        op: 'rename',
        node: moved,
        from: { parent: agent.root, name: 'old-name' },
        to: { parent: folder, name: 'new-name' },
        expected: null,
        flags: 'none',
      },
      { op: 'setxattr', node: file, name: 'user.note', value: 'aGVsbG8=' },
      { op: 'create', node: twin, kind: 'directory', parent: agent.root, name: 'notes' },
    ])
    await running.engine.files.put(caller, agent.id, 'large.bin', Buffer.alloc(3 << 20, 'x'))
    const log = Array.from({ length: 80 }, (_, at) => `line ${at}\n`)
    const appended = uuidv7()
    await push([
      { op: 'create', node: appended, kind: 'file', parent: agent.root, name: 'log' },
      ...log.map((line): Operation => ({
        op: 'append',
        node: appended,
        version: uuidv7(),
        data: bytes(line),
      })),
    ])
    // Two writers from one base: the second is kept beside.
    last = await push([
      {
        op: 'write',
        node: file,
        base,
        version: uuidv7(),
        size: 4,
        extents: [{ offset: 0, data: bytes('mine') }],
      },
    ])
    expect(last.answer.results[0]).toMatchObject({ status: 'conflict-copy' })
    const other = await running.engine.accounts.createKey(caller, { name: 'other', role: 'reader' })
    const revoked = await running.engine.accounts.createKey(caller, { name: 'revoked', role: 'reader' })
    await running.engine.accounts.revokeKey(caller, revoked.id)
    await running.engine.agents.create(caller, { name: 'deleted' })
    await running.engine.agents.delete(caller, 'deleted')
    await running.engine.agents.update(caller, agent.id, { name: 'renamed' })
    await storeAll()

    const before = await recoveredRows(running.database, caller)
    const { database, engine, report } = await rebuilt()
    expect(report.losses).toEqual([])
    const after = await recoveredRows(database, caller)
    for (const table of Object.keys(RECOVERED))
      expect({ table, rows: after[table] }).toEqual({ table, rows: before[table] })
    expect(await read(engine, 'notes/a.md')).toBe('one two')
    expect(await read(engine, 'notes/a.md', 1)).toBe('one')
    expect(await read(engine, 'log')).toBe(log.join(''))
    expect((await read(engine, 'large.bin')).length).toBe(3 << 20)
    await expect(read(engine, 'gone.md')).rejects.toMatchObject({ code: 'not_found' })
    expect((await engine.accounts.verifyApiKey(secret, '127.0.0.1')).keyId).not.toBeNull()
    expect((await engine.accounts.verifyApiKey(other.secret, '127.0.0.1')).limits.role).toBe('reader')
    await expect(engine.accounts.verifyApiKey(revoked.secret, '127.0.0.1')).rejects.toMatchObject({
      code: 'key_revoked',
    })
    const events = async (on: Engine) =>
      (await on.audit.listEvents(caller, { limit: 1_000 })).data.map(({ action, path, agent: of, leaf }) => ({
        action,
        path,
        of,
        leaf,
      }))
    const known = await events(engine)
    for (const event of await events(running.engine)) {
      if (event.action.startsWith('auth.') || event.action === 'file.read') continue
      expect(known).toContainEqual(event)
    }
  })

  it('deletions stay deleted, and can be restored', async () => {
    const { engine } = await rebuilt()
    const { data } = await engine.files.tree(caller, agent.id, { path: '', depth: 64, limit: 1_000 })
    expect(data.map(({ path }) => path)).not.toContain('gone.md')
  })

  it('opens a new epoch whose first leaf names the old log, and takes writes', async () => {
    const { engine, database } = await rebuilt()
    const page = await engine.sync.snapshot(caller, agent.id, { limit: 1_000 })
    expect(page.epoch).toBeGreaterThan(0)
    await expect(engine.sync.changes(caller, agent.id, { since: 1, epoch: 0 })).rejects.toMatchObject({
      code: 'epoch_changed',
    })
    const written = await engine.files.put(caller, agent.id, 'after.md', bytes('after'))
    expect(written.answer).toMatchObject({ epoch: page.epoch, seq: page.seq0 + 1 })
    expect(await read(engine, 'after.md')).toBe('after')
    const [row] = await database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ leafIndex: number }>`select leaf_index from records
        where tenant_id = ${tx.tenantId} and stream_id = ${agent.id} and epoch = ${page.epoch} order by seq limit 1`,
    )
    expect(row?.leafIndex).toBe(0)
  })

  it('[SY-8] a push sent again gets the answer it got, and is applied once; receipts hold', async () => {
    const { engine, database } = await rebuilt()
    const { epoch } = await engine.sync.snapshot(caller, agent.id, { limit: 1 })
    const again = await last.again(engine, epoch)
    expect(again).toEqual(last.answer)
    const { receipt } = last.answer
    const [record] = await database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ leaf: Uint8Array; leafIndex: number }>`select leaf, leaf_index from records
        where tenant_id = ${tx.tenantId} and stream_id = ${agent.id} and epoch = 0 and seq = ${receipt?.seq ?? 0}`,
    )
    expect(Buffer.from(record?.leaf ?? []).toString('hex')).toBe(receipt?.leaf)
    expect(record?.leafIndex).toBe(receipt?.index)
  })

  it('wants an empty database', async () => {
    expect(await databaseForRecovery(running.database)).toBe('in use')
    const { database } = await running.emptyDatabase()
    expect(await databaseForRecovery(database)).toBe('empty')
  })

  it('goes on where it was killed', async () => {
    const { database, engine } = await running.emptyDatabase()
    const stop = new AbortController()
    const broken = recover({
      database,
      resources: running.resources,
      signal: stop.signal,
      onProgress: ({ records }) => records > 0 && stop.abort(new Error('killed')),
    })
    await expect(broken).rejects.toThrow('killed')
    expect(await databaseForRecovery(database)).toBe('unfinished')
    const report = await recover({ database, resources: running.resources })
    expect(report.losses).toEqual([])
    expect(await read(engine, 'notes/a.md')).toBe('one two')
  })

  it('[AUD-3] checkpoints are back, go on in one chain, and tell what was never stored', async () => {
    const { scope } = caller.principal
    let nowMs = Date.now() + 60_000
    const checkpoint = (database: Database) =>
      new Checkpointer({ database, resources: running.resources, clock: { now: () => nowMs } }).checkpoint(
        scope,
      )
    expect(await checkpoint(running.database)).toEqual({ number: 1, stored: 1 })
    await storeAll()
    const whole = await rebuilt()
    expect(whole.report.losses).toEqual([])
    const notes = (await running.engine.audit.listCheckpoints(caller, { limit: 10 })).data
    expect((await whole.engine.audit.listCheckpoints(caller, { limit: 10 })).data).toEqual(notes)
    const lines: ExportLine[] = []
    for await (const line of await whole.engine.audit.export(caller, {})) lines.push(line)
    expect((await verifyExport(lines, { checkpoints: notes.map(({ note }) => note) })).problems).toEqual([])

    await running.engine.files.put(caller, agent.id, 'unstored.md', bytes('acknowledged'))
    nowMs += 60_000
    expect(await checkpoint(running.database)).toMatchObject({ number: 2 })
    const short = await running.emptyDatabase()
    const clock = { now: () => nowMs + 1_000 }
    const { losses } = await recover({ database: short.database, resources: running.resources, clock })
    const detail = expect.stringMatching(
      /^the commits of agent \S+ \(stream .*, epoch 0\): a checkpoint proves \d+ records, and \d+ are stored; what lies between was acknowledged and never stored; its files are/,
    ) as unknown as string
    expect(losses).toContainEqual({ kind: 'gap', tenant: scope.tenantId, agent: agent.id, detail })

    // Its new epoch stands in the bucket: the next recovery has no loss of its own to tell of.
    const { report } = await rebuilt()
    expect(report.losses).toEqual([])
    expect(report.notes).toContainEqual(
      expect.stringMatching(/an earlier recovery has told of this: the commits of agent \S+/),
    )
  })
})

describe('[DUR-6] recover, where something is erased, damaged or missing', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string }

  beforeAll(async () => {
    running = await startEngine()
  })
  // A recovery forks the streams of the bucket: what the lost service writes on after it counts no more.
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'kept' })
    await put('kept.md', 'kept')
  })
  afterAll(() => running.stop())

  const put = (path: string, content: string | Uint8Array) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(content))
  const read = async (engine: Engine, path: string) =>
    textOf((await engine.files.read(caller, agent.id, { path })).body)
  const storeAll = async () => {
    for (const streamId of [caller.principal.scope.tenantId, agent.id]) await running.pack(caller, streamId)
  }
  const rebuilt = async () => {
    const { database, engine } = await running.emptyDatabase()
    const { losses } = await recover({ database, resources: running.resources })
    const { tenantId } = caller.principal.scope
    return { database, engine, losses: losses.filter(({ tenant }) => tenant === tenantId) }
  }
  const objectsBelow = async (folder: string): Promise<{ key: string; size: number }[]> => {
    const found: { key: string; size: number }[] = []
    const prefix = `service/tenants/${caller.principal.scope.tenantId}/${folder}`
    for await (const object of running.objectStore.list(prefix)) found.push(object)
    return found
  }

  it('a deleted file does not come back', async () => {
    await put('gone.md', 'gone')
    await running.engine.files.delete(caller, agent.id, 'gone.md', {})
    await storeAll()
    const { engine } = await rebuilt()
    await expect(read(engine, 'gone.md')).rejects.toMatchObject({ code: 'not_found' })
    expect(await read(engine, 'kept.md')).toBe('kept')
  })

  it('[ENC-3] a tombstone beats every copy of its key, whichever piece of the ledger has one', async () => {
    const { scope } = caller.principal
    const { answer } = await put('secret.md', 'to be erased')
    await storeAll()
    const [key] = await running.database.withTenant(
      scope,
      (tx) => tx.query<{ keyId: string }>`select key_id from content_keys
        where tenant_id = ${tx.tenantId} and node_id = ${answer.node}`,
    )
    if (key === undefined) throw new Error('the file has no key')
    const tombstones = [{ keyId: key.keyId, reason: 'erased', at: new Date(), record: null }]
    const body = encodeKeyLedger(scope.tenantId, { keks: [], keys: [], tombstones })
    // Sorted before every copy of the key: what is read later must not undo it.
    const object = `service/tenants/${scope.tenantId}/keys/00000000-0000-7000-8000-000000000000`
    await running.objectStore.putIfAbsent(object, body)
    const { engine, losses } = await rebuilt()
    expect(losses).toEqual([])
    await expect(read(engine, 'secret.md')).rejects.toMatchObject({ code: 'not_found' })
    expect(await read(engine, 'kept.md')).toBe('kept')
    // It was the tombstone that did it.
    await running.objectStore.delete(object)
    expect(await read((await rebuilt()).engine, 'secret.md')).toBe('to be erased')
  })

  it('names what is damaged or missing, and never shows other bytes for it', async () => {
    await put('damaged.bin', randomBytes(50_000))
    await storeAll()
    const segments = `agents/${agent.id}/seg/`
    const large = (await objectsBelow(segments)).find(({ size }) => size > 50_000)?.key ?? ''
    await running.objectStore.putIfAbsent(
      `service/tenants/${caller.principal.scope.tenantId}/${segments}${uuidv7()}`,
      randomBytes(5_000),
    )
    const whole = Buffer.from(await running.objectStore.get(large))
    const flipped = Buffer.from(whole)
    flipped[20_000] = (flipped[20_000] ?? 0) ^ 1
    await running.objectStore.put(large, flipped)
    const damaged = await rebuilt()
    expect(damaged.losses.filter(({ kind }) => kind === 'object').length).toBeGreaterThan(1)
    expect(damaged.losses.find(({ kind }) => kind === 'head')?.detail).toContain('damaged.bin')
    await expect(read(damaged.engine, 'damaged.bin')).rejects.toMatchObject({ code: 'object_corrupt' })
    expect(await read(damaged.engine, 'kept.md')).toBe('kept')
    // Cut before the records: the stream ends there, and says so.
    await running.objectStore.put(large, whole.subarray(0, 20_000))
    const cut = await rebuilt()
    expect(cut.losses.map(({ kind }) => kind)).toContain('gap')
    await expect(read(cut.engine, 'damaged.bin')).rejects.toMatchObject({ code: 'not_found' })
  })
})
