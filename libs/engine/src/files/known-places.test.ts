import { randomBytes } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { createEngine } from '../create-engine.js'
import type { Engine } from '../engine.js'
import { KeyVault } from '../keys/key-vault.js'
import { openEpoch } from '../recovery/open-epoch.js'
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

  it('[VIS-2] follows its directories as another process moves, deletes and makes them', async () => {
    await other.files.put(caller, agent, 'a/b/notes.md', Buffer.from('below'), { parents: true })
    await readOften('a/b/notes.md')
    await other.files.move(caller, agent, { from: 'a', to: 'moved' })
    await expect(read('a/b/notes.md')).rejects.toMatchObject({ code: 'not_found' })
    expect(await read('moved/b/notes.md')).toBe('below')
    await other.files.move(caller, agent, { from: 'moved', to: 'a' })
    expect(await read('a/b/notes.md')).toBe('below')
    await other.files.delete(caller, agent, 'a', { recursive: true })
    await expect(read('a/b/notes.md')).rejects.toMatchObject({ code: 'not_found' })
    await other.files.put(caller, agent, 'a', Buffer.from('a file now'))
    await expect(read('a/b/notes.md')).rejects.toMatchObject({ code: 'not_a_directory' })
  })

  it('[VIS-2] is gone once another process deleted it, and back once that restored it', async () => {
    await put('notes.md', 'first')
    await put('notes.md', 'second')
    await readOften('notes.md')
    await other.files.delete(caller, agent, 'notes.md')
    await expect(read('notes.md')).rejects.toMatchObject({ code: 'not_found' })
    await other.files.restore(caller, agent, { path: 'notes.md', version: 1 })
    expect(await read('notes.md')).toBe('first')
    await other.files.restore(caller, agent, { path: 'notes.md', version: 2 })
    expect(await read('notes.md')).toBe('second')
  })

  it('[VIS-2] is found by its id where it is, and with what it holds', async () => {
    const { answer } = await put('notes.md', 'first')
    const ref = { node: answer.node }
    const byId = async () => {
      const { stat, body } = await running.engine.files.read(caller, agent, ref)
      return `${stat.path}: ${await textOf(body)}`
    }
    for (let count = 0; count < 3; count++) expect(await byId()).toBe('notes.md: first')
    await other.files.move(caller, agent, { from: 'notes.md', to: 'moved.md' })
    expect(await byId()).toBe('moved.md: first')
    await put('moved.md', 'second')
    expect(await byId()).toBe('moved.md: second')
    await other.files.delete(caller, agent, 'moved.md')
    await expect(byId()).rejects.toMatchObject({ code: 'not_found' })
  })

  it('[VIS-2] never has less than what was acknowledged when the read began, whoever reads beside', async () => {
    const names = ['one.md', 'two.md', 'three.md']
    const acknowledged = new Map<string, number>()
    let over = false
    const writing = (async () => {
      for (let number = 1; number <= 60; number++) {
        const name = names[number % names.length] ?? ''
        await put(name, String(number))
        acknowledged.set(name, number)
      }
      over = true
    })()
    const reader = async (name: string): Promise<void> => {
      while (!over) {
        const least = acknowledged.get(name)
        if (least === undefined) await new Promise((resolve) => void setImmediate(resolve))
        else expect(Number(await read(name))).toBeGreaterThanOrEqual(least)
      }
    }
    await Promise.all([writing, ...names.flatMap((name) => [name, name, name]).map(reader)])
  })

  it('[SY-4] is looked up anew in a new epoch, and says which', async () => {
    await put('notes.md', 'text')
    await readOften('notes.md')
    const vault = new KeyVault(running.database, running.resources)
    await running.database.withTenant(caller.principal.scope, (tx) =>
      openEpoch(tx, vault, agent, 0, new Date()),
    )
    const { epoch, body } = await running.engine.files.read(caller, agent, { path: 'notes.md' })
    expect([epoch, await textOf(body)]).toEqual([1, 'text'])
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

  it('[ENC-3] opens nothing more once another process erased it, its agent or its tenant', async () => {
    const erasures: ((path: string) => Promise<unknown>)[] = [
      (path) => other.files.delete(caller, agent, path, { erase: true }),
      () => other.agents.delete(caller, agent, { erase: true }),
    ]
    for (const erase of erasures) {
      await put('secret.md', 'secret')
      await readOften('secret.md')
      await erase('secret.md')
      await expect(read('secret.md')).rejects.toMatchObject({ code: 'not_found' })
    }
  })

  it('[OUT-1] is refused once its key is held no longer and the KMS does not answer, open or not', async () => {
    let isDown = false
    const engine = createEngine({
      database: running.database,
      resources: {
        resolve: async (scope) => {
          const resolved = await running.resources.resolve(scope)
          if (isDown) throw new AgentfsError('kms_unavailable')
          return resolved
        },
      },
      pepper: randomBytes(32),
      announcer: { publish: () => undefined },
      packHint: { hint: () => undefined },
      log: { warn: () => undefined, error: () => undefined },
      limits: { kekLeaseMs: 1_000 },
    })
    const readThere = async () => textOf((await engine.files.read(caller, agent, { path: 'notes.md' })).body)
    await put('notes.md', 'text')
    for (let count = 0; count < 3; count++) expect(await readThere()).toBe('text')
    isDown = true
    await new Promise((resolve) => void setTimeout(resolve, 1_100))
    await expect(readThere()).rejects.toMatchObject({ code: 'kms_unavailable' })
    isDown = false
    expect(await readThere()).toBe('text')
    await engine.close()
  })

  it('[ISO-1] gives nothing away to another tenant, nor to who may not read it', async () => {
    await put('notes.md', 'mine')
    await readOften('notes.md')
    const stranger = (await newTenant(running.engine)).caller
    await expect(read('notes.md', stranger)).rejects.toMatchObject({ code: 'not_found' })
    const elsewhere = { ...caller.principal.limits, prefixes: ['elsewhere'] }
    const narrow = { ...caller, principal: { ...caller.principal, limits: elsewhere } }
    await expect(read('notes.md', narrow)).rejects.toMatchObject({ code: 'not_found' })
    const { node } = await running.engine.files.stat(caller, agent, { path: 'notes.md' })
    for (let count = 0; count < 2; count++) await running.engine.files.stat(caller, agent, { node })
    for (const by of [stranger, narrow])
      await expect(running.engine.files.read(by, agent, { node })).rejects.toMatchObject({
        code: 'not_found',
      })
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

  it('[ACL-3] is refused within a second of the key of its reader being revoked by another process', async () => {
    await put('notes.md', 'text')
    const { accounts, files } = running.engine
    const { id, secret } = await accounts.createKey(caller, { name: 'reader', role: 'reader' })
    // As a door does: the credential is looked at for each request.
    const readWith = async () => {
      const principal = await accounts.verifyApiKey(secret, '127.0.0.1')
      return textOf((await files.read({ ...caller, principal }, agent, { path: 'notes.md' })).body)
    }
    for (let count = 0; count < 3; count++) expect(await readWith()).toBe('text')
    await other.accounts.revokeKey(caller, id)
    await new Promise((resolve) => void setTimeout(resolve, 1_000))
    await expect(readWith()).rejects.toMatchObject({ code: 'key_revoked' })
  })

  it('[ACL-3] is gone within a second of its agent being deleted by another process', async () => {
    await put('notes.md', 'text')
    await readOften('notes.md')
    await other.agents.delete(caller, agent)
    await new Promise((resolve) => void setTimeout(resolve, 1_000))
    await expect(read('notes.md')).rejects.toMatchObject({ code: 'not_found' })
  })
})
