import { waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import type { Engine } from '../engine.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

describe('a path that was read before', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: string
  /** Another process. */
  let other: Engine

  beforeAll(async () => {
    running = await startEngine()
    other = running.another()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = (await running.engine.agents.create(caller, { name: 'home' })).id
  })

  const put = (path: string, text: string, engine = other) =>
    engine.files.put(caller, agent, path, Buffer.from(text))
  const read = async (path: string, by = caller) =>
    textOf((await running.engine.files.read(by, agent, { path })).body)
  /** Reads often enough that this process has its guess and what it needs for it. */
  const readOften = async (path: string): Promise<void> => {
    for (let count = 0; count < 3; count++) await read(path)
  }

  it('[VIS-2] has at once what another process wrote there', async () => {
    await put('notes.md', 'first')
    await readOften('notes.md')
    for (const text of ['second', 'a third, longer one', '']) {
      await put('notes.md', text)
      expect(await read('notes.md')).toBe(text)
    }
  })

  it('[VIS-2] has at once what another process moved there, and nothing where it was', async () => {
    await put('here.md', 'here')
    await put('there.md', 'there')
    await readOften('here.md')
    await readOften('there.md')
    await other.files.move(caller, agent, { from: 'here.md', to: 'there.md', overwrite: true })
    expect(await read('there.md')).toBe('here')
    await expect(read('here.md')).rejects.toMatchObject({ code: 'not_found' })
    await put('here.md', 'new')
    expect(await read('here.md')).toBe('new')
  })

  it('[VIS-2] is read the same once its bytes have left the rows for the object store', async () => {
    await put('notes.md', 'kept')
    await readOften('notes.md')
    await running.pack(caller, agent)
    await readOften('notes.md')
    expect(await read('notes.md')).toBe('kept')
  })

  it('[ENC-3] opens nothing more once another process erased its key', async () => {
    await put('secret.md', 'secret')
    await readOften('secret.md')
    await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query`
        insert into tombstones (tenant_id, key_id, reason, at)
        select tenant_id, key_id, 'test', now() from content_keys
        where tenant_id = ${tx.tenantId} and agent_id = ${agent} and purpose = 'content'`,
    )
    await expect(read('secret.md')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('[ISO-1] gives nothing away to another tenant, nor to who may not read it', async () => {
    await put('notes.md', 'mine')
    await readOften('notes.md')
    const stranger = (await newTenant(running.engine)).caller
    await expect(read('notes.md', stranger)).rejects.toMatchObject({ code: 'not_found' })
    const elsewhere = { ...caller.principal.limits, prefixes: ['elsewhere'] }
    const narrow = { ...caller, principal: { ...caller.principal, limits: elsewhere } }
    await expect(read('notes.md', narrow)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('[AUD-1] leaves a record of each read', async () => {
    await put('notes.md', 'text')
    await readOften('notes.md')
    const reads = await waitFor(
      async () => {
        const { data } = await running.engine.audit.listEvents(caller, { limit: 50, action: 'file.read' })
        return data.length >= 3 ? data : undefined
      },
      { deadlineMs: 20_000, what: 'the records of three reads' },
    )
    expect(reads).toHaveLength(3)
  })

  it('[ACL-3] is gone within a second of its agent being deleted by another process', async () => {
    await put('notes.md', 'text')
    await readOften('notes.md')
    await other.agents.delete(caller, agent)
    await new Promise((resolve) => void setTimeout(resolve, 1_000))
    await expect(read('notes.md')).rejects.toMatchObject({ code: 'not_found' })
  })
})
