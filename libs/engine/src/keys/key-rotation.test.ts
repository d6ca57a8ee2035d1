import { KeyFileKms } from '@agentfs/crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { Collector } from '../followers/collector.js'
import { Packer } from '../followers/packer.js'
import { RewrapChore, RotateChore, RotateRootChore } from '../maintenance/index.js'
import type { Chore } from '../maintenance/index.js'
import { openBucket } from '../open-bucket.contract.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const DAY_MS = 24 * 3_600_000

describe('rotating keys', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string }
  let nowMs: number

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    nowMs = Date.now()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'rotated' })
    await put('a.md', 'content a')
    await put('b.md', 'content b')
    await running.pack(caller, agent.id)
    await running.pack(caller, caller.principal.scope.tenantId)
  })

  const options = () => ({ ...running, clock: { now: () => nowMs } })
  const put = (path: string, text: string) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(text))
  const read = async (path: string) =>
    textOf((await running.another().files.read(caller, agent.id, { path })).body)

  async function carryOut(chore: Chore): Promise<void> {
    let resume: string | null = null
    do {
      const request = { agentId: null, dryRun: false, resume }
      ;({ resume } = await chore.step(caller.principal.scope, request))
    } while (resume !== null)
  }

  async function keyVersions(): Promise<{ kekVersion: number; keks: number[] }> {
    return running.database.withTenant(caller.principal.scope, async (tx) => {
      const keys = await tx.query<{ kekVersion: number }>`
        select min(kek_version) as kek_version from content_keys where wrapped <> ''`
      const keks = await tx.query<{
        kekVersion: number
      }>`select kek_version from tenant_keks order by kek_version`
      return { kekVersion: keys[0]!.kekVersion, keks: keks.map(({ kekVersion }) => kekVersion) }
    })
  }

  async function objects(): Promise<string[]> {
    const keys: string[] = []
    const { tenantId } = caller.principal.scope
    for await (const { key } of running.objectStore.list(`service/tenants/${tenantId}/`)) keys.push(key)
    return keys
  }

  async function opensFromBucket(text: string): Promise<boolean> {
    const { kms } = await running.resources.resolve(caller.principal.scope)
    const { tenantId } = caller.principal.scope
    const { opened } = await openBucket(running.objectStore, 'service/', tenantId, kms)
    return opened.some((plain) => plain.includes(text))
  }

  it('[ENC-4] a KEK rotates without a content object written; the older one goes when nothing counts on it', async () => {
    const before = await objects()
    const chore = new RotateChore(options())
    const planned = await chore.step(caller.principal.scope, { agentId: null, dryRun: true, resume: null })
    const all = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`select 1 from content_keys where wrapped <> ''`,
    )
    expect(planned).toEqual({ counts: { keks: 1, keys: all.length }, resume: null })
    await carryOut(chore)
    expect(await keyVersions()).toEqual({ kekVersion: 2, keks: [1, 2] })
    const written = (await objects()).filter((key) => !before.includes(key))
    expect(written.length).toBeGreaterThan(0)
    expect(written.filter((key) => !key.includes('/keys/'))).toEqual([])
    expect(await read('a.md')).toBe('content a')
    await put('c.md', 'content c')
    await running.pack(caller, agent.id)

    nowMs += 2 * DAY_MS
    await carryOut(new RewrapChore(options()))
    expect(await keyVersions()).toEqual({ kekVersion: 2, keks: [2] })
    nowMs += 8 * DAY_MS
    await new Collector(options()).collectObjects(caller.principal.scope)
    expect(await read('b.md')).toBe('content b')
    for (const text of ['content a', 'content b', 'content c']) expect(await opensFromBucket(text)).toBe(true)
  })

  it('[ENC-4] may run twice at once, beside writers whose keys come under either KEK', async () => {
    const writing = Array.from({ length: 12 }, (_, file) => put(`w-${file}.md`, `written ${file}`))
    await Promise.all([
      carryOut(new RotateChore(options())),
      carryOut(new RotateChore(options())),
      ...writing,
      running.pack(caller, agent.id),
    ])
    // What came under the older KEK meanwhile, the next round finds.
    await carryOut(new RewrapChore(options()))
    const { kekVersion, keks } = await keyVersions()
    expect(kekVersion).toBe(keks.at(-1))
    await running.pack(caller, agent.id)
    for (let file = 0; file < 12; file++) expect(await read(`w-${file}.md`)).toBe(`written ${file}`)
    expect(await opensFromBucket('written 11')).toBe(true)
  })

  it('[ENC-4] a key that is wrapped anew while a packer brings it to the ledger is stored all the same', async () => {
    await put('c.md', 'content c')
    const packer = new Packer({
      ...running,
      crashPoints: async (point) => {
        if (point === 'ledger-put') await carryOut(new RotateChore(options()))
      },
    })
    expect(await packer.packStream(caller.principal.scope, agent.id)).toMatchObject({ kind: 'stored' })
    await carryOut(new RewrapChore(options()))
    expect(await opensFromBucket('content c')).toBe(true)
  })

  it('[ENC-3] a rotation brings no erased key back', async () => {
    await running.engine.files.delete(caller, agent.id, 'a.md', { erase: true })
    await carryOut(new RotateChore(options()))
    expect(await opensFromBucket('content a')).toBe(false)
    expect(await opensFromBucket('content b')).toBe(true)
  })

  it('[ENC-4] the root key rotates: every KEK is wrapped anew, in the ledger too', async () => {
    const { kms } = await running.resources.resolve(caller.principal.scope)
    if (!(kms instanceof KeyFileKms)) throw new Error('another KMS')
    const { rootKeyVersion } = await kms.rotate()
    const before = await objects()
    await carryOut(new RotateRootChore(options()))
    const rows = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ wrapped: Buffer }>`select wrapped from tenant_keks`,
    )
    expect(rows.map(({ wrapped }) => wrapped.readUInt32BE(1))).toEqual([rootKeyVersion])
    expect((await objects()).filter((key) => !before.includes(key) && !key.includes('/keys/'))).toEqual([])
    expect(await read('a.md')).toBe('content a')
    expect(await opensFromBucket('content a')).toBe(true)
  })
})
