import { uuidv7 } from '@agentfs/contracts'
import type { KeyLedgerRows } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import type { Engine } from '../engine.js'
import { decodeKeyLedger, encodeKeyLedger } from '../followers/key-ledger-format.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { recover } from './recover.js'

describe('[DUR-6] recover, where a key in the ledger does not open any more', () => {
  let running: RunningEngine
  let caller: Caller
  let bystander: Caller

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    bystander = (await newTenant(running.engine)).caller
    for (const who of [caller, bystander]) {
      const { id } = await running.engine.agents.create(who, { name: 'home' })
      for (const name of ['a.md', 'b.md'])
        await running.engine.files.put(who, id, name, Buffer.from(`text of ${name}`))
      await running.pack(who, who.principal.scope.tenantId)
      await running.pack(who, id)
    }
  })

  const read = async (engine: Engine, who: Caller, path: string) =>
    textOf((await engine.files.read(who, 'home', { path })).body)

  /** Rewrites every piece of the caller's ledger as if bytes of it had rotted. */
  async function rot(change: (rows: KeyLedgerRows) => KeyLedgerRows): Promise<void> {
    const { tenantId } = caller.principal.scope
    const keys: string[] = []
    for await (const { key } of running.objectStore.list(`service/tenants/${tenantId}/keys/`)) keys.push(key)
    for (const key of keys) {
      const rows = decodeKeyLedger(tenantId, key, await running.objectStore.get(key))
      await running.objectStore.put(key, encodeKeyLedger(tenantId, change(rows)))
    }
  }
  const flipped = <Row extends { readonly wrapped: Uint8Array }>(row: Row): Row => {
    const wrapped = Uint8Array.from(row.wrapped)
    wrapped[wrapped.length - 1]! ^= 1
    return { ...row, wrapped }
  }

  async function recovered() {
    const { database, engine } = await running.emptyDatabase()
    const { losses } = await recover({ database, resources: running.resources })
    return { engine, losses }
  }

  it('names the file, and brings back all others', async () => {
    const { tenantId } = caller.principal.scope
    const [row] = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ keyId: string }>`
        select key_id from content_keys where tenant_id = ${tx.tenantId} and purpose = 'content' order by key_id limit 1`,
    )
    await rot((rows) => ({
      ...rows,
      keys: rows.keys.map((key) => (key.keyId === row?.keyId ? flipped(key) : key)),
    }))
    const { engine, losses } = await recovered()
    expect(losses).toContainEqual(expect.objectContaining({ kind: 'key', tenant: tenantId }))
    expect(await read(engine, caller, 'b.md')).toBe('text of b.md')
    await expect(read(engine, caller, 'a.md')).rejects.toMatchObject({ code: 'object_corrupt' })
    expect(await read(engine, bystander, 'a.md')).toBe('text of a.md')
  })

  it('takes an older copy that does', async () => {
    const { tenantId } = caller.principal.scope
    const prefix = `service/tenants/${tenantId}/keys/`
    const pieces: KeyLedgerRows[] = []
    for await (const { key } of running.objectStore.list(prefix))
      pieces.push(decodeKeyLedger(tenantId, key, await running.objectStore.get(key)))
    const newest = {
      keks: pieces.flatMap(({ keks }) => keks).map(flipped),
      keys: pieces.flatMap(({ keys }) => keys).map(flipped),
      tombstones: [],
    }
    await running.objectStore.put(`${prefix}${uuidv7()}`, encodeKeyLedger(tenantId, newest))
    const { engine, losses } = await recovered()
    expect(losses.filter(({ tenant }) => tenant === tenantId)).toEqual([])
    for (const name of ['a.md', 'b.md']) expect(await read(engine, caller, name)).toBe(`text of ${name}`)
  })

  it('of a whole tenant: it stays closed, and no other notices', async () => {
    const { tenantId } = caller.principal.scope
    await rot((rows) => ({ ...rows, keks: rows.keks.map(flipped) }))
    const { engine, losses } = await recovered()
    expect(losses).toContainEqual(expect.objectContaining({ kind: 'key', tenant: tenantId }))
    expect(await read(engine, bystander, 'a.md')).toBe('text of a.md')
    await expect(read(engine, caller, 'a.md')).rejects.toMatchObject({ code: 'not_found' })
  })
})
