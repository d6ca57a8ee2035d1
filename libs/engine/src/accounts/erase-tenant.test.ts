import { randomUUID } from 'node:crypto'
import type { SignupAnswer } from '@agentfs/contracts'
import { findTenantTombstone, type ObjectStore, openFilesystemObjectStore } from '@agentfs/storage'
import { temporaryDirectory } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Fsck } from '../checking/index.js'
import { createEngine } from '../create-engine.js'
import type { Engine } from '../engine.js'
import { Collector } from '../followers/collector.js'
import { Packer } from '../followers/packer.js'
import { ErasedTenantsChore } from '../maintenance/index.js'
import { Mirror, MirrorTargets } from '../mirror/index.js'
import { openBucket } from '../open-bucket.contract.js'
import { BucketAhead, recover, rollForward } from '../recovery/index.js'
import { origin, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { openErasureRecord } from './erase-tenant.js'

const DAY_MS = 24 * 3_600_000
const SECRET = 'a secret of the tenant'

describe('[ENC-3] erasing a tenant', () => {
  let running: RunningEngine
  let signup: SignupAnswer
  let caller: Caller
  let email: string
  let agent: { id: string }
  let nowMs: number

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    nowMs = Date.now()
    email = `${randomUUID()}@example.test`
    signup = await signUp(running.engine)
    caller = await callerOf(running.engine, signup.apiKey.secret)
    agent = await running.engine.agents.create(caller, { name: 'home' })
    await put('secret.md', SECRET)
    await storeAll()
  })

  const options = () => ({ ...running, clock: { now: () => nowMs } })
  const tenantId = () => caller.principal.scope.tenantId
  const signUp = (engine: Engine, address = email) =>
    engine.accounts.signup(origin(), { email: address, password: 'correct horse battery', tenant: 'Acme' })
  const callerOf = async (engine: Engine, secret: string): Promise<Caller> => ({
    ...origin(),
    principal: await engine.accounts.verifyApiKey(secret, '127.0.0.1'),
  })
  const put = (path: string, text: string) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(text))
  const erase = () => running.engine.tenants.erase(caller, 'Acme')

  async function storeAll(): Promise<void> {
    for (const stream of [tenantId(), agent.id]) await running.pack(caller, stream)
  }

  async function shows(text: string): Promise<boolean> {
    const { kms } = await running.resources.resolve(caller.principal.scope)
    const { opened } = await openBucket(running.objectStore, 'service/', tenantId(), kms)
    return opened.some((plain) => plain.includes(text))
  }

  async function carryOut(database = running.database): Promise<Record<string, number>> {
    const chore = new ErasedTenantsChore({ ...options(), database })
    const sums: Record<string, number> = {}
    for (let resume: string | null = null; ;) {
      const step: Awaited<ReturnType<typeof chore.step>> = await chore.step(caller.principal.scope, {
        agentId: null,
        dryRun: false,
        resume,
      })
      for (const [name, count] of Object.entries(step.counts)) sums[name] = (sums[name] ?? 0) + count
      ;({ resume } = step)
      if (resume === null) return sums
    }
  }

  async function objects(): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of running.objectStore.list(`service/tenants/${tenantId()}/`)) keys.push(key)
    return keys
  }

  /** Tables that hold anything of the tenant. */
  async function tables(database = running.database): Promise<string[]> {
    return database.withTenant(caller.principal.scope, async (tx) => {
      const named = await tx.query<{ name: string }>`
        select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname = 'tenant_id' order by 1`
      const held: string[] = []
      for (const { name } of named) {
        const text = `select 1 as one from ${name} where tenant_id = '${tx.tenantId}' limit 1`
        if ((await tx.query(Object.assign([text], { raw: [text] }))).length > 0) held.push(name)
      }
      return held
    })
  }

  it('ends every credential and every way to the contents, here and from the bucket, and frees the address', async () => {
    const other = await signUp(running.engine, `${randomUUID()}@example.test`)
    const bystander = await callerOf(running.engine, other.apiKey.secret)
    const theirs = await running.engine.agents.create(bystander, { name: 'theirs' })
    await running.engine.files.put(bystander, theirs.id, 'a.md', Buffer.from('of another tenant'))
    const { session } = await running.engine.accounts.login(origin(), {
      email,
      password: 'correct horse battery',
    })
    const elsewhere = running.another()
    await textOf((await elsewhere.files.read(caller, agent.id, { path: 'secret.md' })).body)
    expect(await shows(SECRET)).toBe(true)

    const erasure = await erase()
    expect(erasure).toMatchObject({ keysShared: 0, ledger: 'stored' })
    expect(erasure.keys).toBeGreaterThanOrEqual(5)
    // Whoever was let in a moment ago reads and writes nothing any more, in another process either.
    for (const engine of [running.engine, elsewhere]) {
      await expect(engine.files.read(caller, agent.id, { path: 'secret.md' })).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(engine.files.put(caller, agent.id, 'late.md', Buffer.from('late'))).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(engine.accounts.createKey(caller, { name: 'late' })).rejects.toMatchObject({
        code: 'not_found',
      })
    }
    const fresh = running.another()
    await expect(fresh.accounts.verifyApiKey(signup.apiKey.secret, null)).rejects.toMatchObject({
      code: 'key_revoked',
    })
    await expect(fresh.accounts.verifySession(session.token)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await expect(
      fresh.accounts.login(origin(), { email, password: 'correct horse battery' }),
    ).rejects.toMatchObject({ code: 'unauthenticated' })
    const { opened, tombstones } = await openBucket(
      running.objectStore,
      'service/',
      tenantId(),
      (await running.resources.resolve(caller.principal.scope)).kms,
    )
    expect(opened).toEqual([])
    expect(tombstones).toEqual(new Set([tenantId()]))

    const again = await signUp(running.engine)
    expect(again.tenant.id).not.toBe(tenantId())
    expect(await textOf((await elsewhere.files.read(bystander, theirs.id, { path: 'a.md' })).body)).toBe(
      'of another tenant',
    )
  })

  it('is for an owner, with a credential for all of the tenant, who repeats its name', async () => {
    const { engine } = running
    await expect(engine.tenants.erase(caller, 'acme')).rejects.toMatchObject({ code: 'invalid_request' })
    const narrow = await engine.accounts.createKey(caller, { name: 'narrow', role: 'writer' })
    const ofOne = await engine.accounts.createKey(caller, { name: 'of one', agents: [agent.id] })
    for (const { secret } of [narrow, ofOne]) {
      const by = await callerOf(engine, secret)
      await expect(engine.tenants.erase(by, 'Acme')).rejects.toMatchObject({ code: 'forbidden' })
    }
    await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`update users set role = 'admin' where tenant_id = ${tx.tenantId}`,
    )
    await expect(erase()).rejects.toMatchObject({ code: 'forbidden' })
    expect(await shows(SECRET)).toBe(true)
  })

  it('leaves a tombstone with the sealed record of who did it, and after the grace time nothing else', async () => {
    await erase()
    const tombstone = await running.database.withTenant(caller.principal.scope, findTenantTombstone)
    const told = await openErasureRecord(
      running,
      caller.principal.scope,
      tombstone?.record ?? Buffer.alloc(0),
    )
    expect(told).toMatchObject({
      tenant: tenantId(),
      actor: { kind: 'key', id: signup.apiKey.id },
      keyId: signup.apiKey.id,
      door: 'rest',
      requestId: caller.requestId,
    })
    const counts = await carryOut()
    expect(counts).toMatchObject({ mirrorsLeft: 0 })
    expect(counts['rows']).toBeGreaterThan(5)
    expect(await tables()).toEqual(['api_keys', 'followers', 'objects', 'streams', 'tenants', 'tombstones'])
    const collect = () => new Collector(options()).collectObjects(caller.principal.scope)
    const before = await objects()
    expect((await collect()).deleted).toBe(0)
    expect(await objects()).toHaveLength(before.length)
    nowMs += 8 * DAY_MS
    await collect()
    const [left, ...more] = await objects()
    expect(more).toEqual([])
    const piece = Buffer.from(await running.objectStore.get(left ?? '')).toString('utf8')
    expect(JSON.parse(piece)).toMatchObject({ keks: [], keys: [], tombstones: [{ id: tenantId() }] })
    const findings = []
    for await (const finding of new Fsck(running).checkTenant(caller.principal.scope)) findings.push(finding)
    expect(findings).toEqual([])
    // A second round finds nothing to do.
    expect(await carryOut()).toMatchObject({ mirrorsLeft: 0 })
    expect(await objects()).toEqual([left])
  })

  it('killed at any step of what follows, goes on with the next round', async () => {
    await erase()
    const chore = new ErasedTenantsChore(options())
    // Steps that nobody remembers, and two rounds at once.
    const step = { agentId: null, dryRun: false, resume: null }
    await chore.step(caller.principal.scope, step)
    await Promise.all([carryOut(), carryOut()])
    expect(await tables()).toEqual(['api_keys', 'followers', 'objects', 'streams', 'tenants', 'tombstones'])
  })

  it('is not undone by recover from the whole bucket, older ledger copies included', async () => {
    await erase()
    const { database, engine } = await running.emptyDatabase()
    const { losses } = await recover({ database, resources: running.resources })
    expect(losses.filter(({ tenant }) => tenant === tenantId())).toEqual([])
    await expect(engine.accounts.verifyApiKey(signup.apiKey.secret, null)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await expect(engine.files.read(caller, agent.id, { path: 'secret.md' })).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(await tables(database)).toEqual(['followers', 'objects', 'streams', 'tenants', 'tombstones'])
    // What is left in the bucket does not make the database look older than it.
    expect(await new BucketAhead({ database, resources: running.resources }).anywhere()).toBe(false)
    // What the bucket had of it goes from there too, once the grace time is over.
    nowMs += 8 * DAY_MS
    await new Collector({ ...options(), database }).collectObjects(caller.principal.scope)
    expect(await objects()).toHaveLength(1)
    // And the tombstone outlasts that: a second recovery finds it.
    const second = await running.emptyDatabase()
    await recover({ database: second.database, resources: running.resources })
    const kept = await second.database.withTenant(caller.principal.scope, findTenantTombstone)
    expect(kept).toMatchObject({ reason: 'tenant erased by its owner' })
    expect(kept?.record?.length).toBeGreaterThan(0)
  })

  it('is not undone by an older database that is rolled forward; its address stays with who has it since', async () => {
    const backup = await running.copyDatabase()
    expect((await callerOf(backup.engine, signup.apiKey.secret)).principal.keyId).toBe(signup.apiKey.id)
    await erase()
    const since = await signUp(running.engine)
    const newer = await callerOf(running.engine, since.apiKey.secret)
    await running.pack(newer, since.tenant.id)
    const { losses } = await rollForward({ database: backup.database, resources: running.resources })
    expect(losses.filter(({ tenant }) => tenant === tenantId())).toEqual([])
    // What it remembered of the key for a moment is over.
    const engine = createEngine({
      database: backup.database,
      resources: running.resources,
      pepper: Buffer.alloc(32),
      announcer: { publish: () => undefined },
      packHint: { hint: () => undefined },
      log: { warn: () => undefined, error: () => undefined },
    })
    await expect(engine.files.read(caller, agent.id, { path: 'secret.md' })).rejects.toMatchObject({
      code: 'not_found',
    })
    await engine.close()
    const { answer } = await backup.engine.accounts.login(origin(), {
      email,
      password: 'correct horse battery',
    })
    expect(answer.tenant.id).toBe(since.tenant.id)
    await carryOut(backup.database)
    expect(await tables(backup.database)).not.toContain('versions')
  })

  /** Erases while the object store takes nothing. */
  async function eraseCutOff(): Promise<void> {
    const down: ObjectStore = new Proxy(running.objectStore, {
      get: (target, name) => {
        if (name === 'putIfAbsent') return () => Promise.reject(new Error('the store is down'))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const { database, resources } = running
    const cutOff = createEngine({
      database,
      resources: {
        resolve: async (scope) => ({ ...(await resources.resolve(scope)), objectStore: down }),
      },
      pepper: Buffer.alloc(32),
      announcer: { publish: () => undefined },
      packHint: { hint: () => undefined },
      log: { warn: () => undefined, error: () => undefined },
    })
    expect(await cutOff.tenants.erase(caller, 'Acme')).toMatchObject({ ledger: 'pending' })
    await cutOff.close()
  }

  it('with the object store down it holds in the service, says what follows, and the packer finishes', async () => {
    await eraseCutOff()
    expect(await shows(SECRET)).toBe(true)
    for await (const outcome of new Packer(running).advance(caller.principal.scope, tenantId())) {
      expect(outcome.kind).toBe('idle')
    }
    expect(await shows(SECRET)).toBe(false)
  })

  it('whose tombstone is not in the bucket yet it stays erased where the database is rolled forward, and nothing counts as lost', async () => {
    await eraseCutOff()
    const { losses } = await rollForward(options())
    expect(losses.filter(({ tenant }) => tenant === tenantId())).toEqual([])
    expect(await tables()).not.toContain('tenant_keks')
    expect(await shows(SECRET)).toBe(false)
  })

  it('what other processes had to note of it when it went is noted nowhere, and waits for nothing', async () => {
    const other = running.another({ auditBatchMs: 60_000 })
    const theirs = await callerOf(other, signup.apiKey.secret)
    await other.files.read(theirs, agent.id, { path: 'secret.md' })
    await erase()
    await other.audit.flush()
    const [row] = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ beyond: number }>`
        select count(*)::integer as beyond from records r
        join followers f on f.tenant_id = r.tenant_id and f.stream_id = r.stream_id and f.follower = 'packer'
        where r.tenant_id = ${tx.tenantId} and (r.epoch, r.seq) > (f.epoch, f.seq)`,
    )
    expect(row?.beyond).toBe(0)
  })

  it('a packer that has the keys already brings none of them back', async () => {
    await put('later.md', 'packed while the tenant goes')
    let once = true
    const packer = new Packer({
      ...running,
      crashPoints: async (point) => {
        if (point !== 'ledger-put' || !once) return
        once = false
        await erase()
      },
    })
    await packer.packStream(caller.principal.scope, agent.id).catch(() => undefined)
    expect(once).toBe(false)
    expect(await shows('packed while')).toBe(false)
    await carryOut()
    nowMs += 8 * DAY_MS
    await new Collector(options()).collectObjects(caller.principal.scope)
    expect(await objects()).toHaveLength(1)
  })

  it('takes the documents of its mirrors, those that were kept too', async () => {
    const mirror = new Mirror({ ...running, log: { warn: () => undefined, error: () => undefined } })
    const documents = async () => {
      const keys: string[] = []
      for await (const { key } of running.objectStore.list(`service/mirror/${tenantId()}/`)) keys.push(key)
      return keys.length
    }
    const kept = await running.engine.agents.create(caller, { name: 'kept' })
    await running.engine.files.put(caller, kept.id, 'kept.md', Buffer.from('kept'))
    for (const { id } of [agent, kept]) {
      await running.engine.mirrors.set(caller, id, { enabled: true, acceptPlaintext: true })
      await mirror.advance(caller.principal.scope, id)
    }
    await running.engine.mirrors.set(caller, kept.id, { enabled: false, keepDocuments: true })
    expect(await documents()).toBe(2)
    await erase()
    expect(await carryOut()).toMatchObject({ mirrorsLeft: 1 })
    for (const { scope, agentId } of (await mirror.dueAcrossTenants()).mirrors)
      if (scope.tenantId === tenantId()) await mirror.advance(scope, agentId)
    expect(await documents()).toBe(0)
    expect(await carryOut()).toMatchObject({ mirrorsLeft: 0 })
    expect(await tables()).toEqual(['api_keys', 'followers', 'objects', 'streams', 'tenants', 'tombstones'])
  })

  it('takes the documents of its mirrors also where the database was lost before they were gone', async () => {
    const directory = await temporaryDirectory('mirror')
    const elsewhere = await openFilesystemObjectStore(directory.path)
    const targets = new MirrorTargets(running.resources, new Map([['elsewhere', elsewhere]]))
    const documents = async () => {
      const keys: string[] = []
      for (const [store, prefix] of [[running.objectStore, 'service/'] as const, [elsewhere, ''] as const])
        for await (const { key } of store.list(`${prefix}mirror/${tenantId()}/`)) keys.push(key)
      return keys.length
    }
    const log = { warn: () => undefined, error: () => undefined }
    const mirror = new Mirror({ ...running, targets, log })
    const engine = createEngine({
      ...running,
      pepper: Buffer.alloc(32),
      announcer: { publish: () => undefined },
      packHint: { hint: () => undefined },
      mirrorTargets: targets,
      log,
    })
    const other = await engine.agents.create(caller, { name: 'other' })
    await engine.files.put(caller, other.id, 'a.md', Buffer.from('elsewhere'))
    await engine.mirrors.set(caller, agent.id, { enabled: true, acceptPlaintext: true })
    await engine.mirrors.set(caller, other.id, { enabled: true, acceptPlaintext: true, target: 'elsewhere' })
    for (const id of [agent.id, other.id]) await mirror.advance(caller.principal.scope, id)
    await engine.close()
    await storeAll()
    await erase()
    expect(await documents()).toBe(2)

    const { database } = await running.emptyDatabase()
    await recover({ database, resources: running.resources })
    const request = { agentId: null, dryRun: false }
    const chore = new ErasedTenantsChore({ ...options(), database, mirrorTargets: targets })
    for (let resume: string | null = null, begun = false; !begun || resume !== null; begun = true)
      ({ resume } = await chore.step(caller.principal.scope, { ...request, resume }))
    expect(await documents()).toBe(0)
    await directory.remove()
  })
})
