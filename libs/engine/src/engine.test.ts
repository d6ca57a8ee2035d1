import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AgentfsError, isAgentfsError, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from './caller.js'
import {
  bytesOf,
  newTenant,
  origin,
  type RunningEngine,
  startEngine,
  textOf,
} from './running-engine.contract.js'

describe('the engine', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: string

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  const newAgent = async (): Promise<string> => {
    agent = `agent-${randomUUID().slice(0, 8)}`
    await running.engine.agents.create(caller, { name: agent })
    return agent
  }
  const put = (path: string, text: string, more = {}) =>
    running.engine.files.put(caller, agent, path, Buffer.from(text), more)
  const read = async (path: string, choice = {}) =>
    textOf((await running.engine.files.read(caller, agent, { path }, choice)).body)

  describe('files', () => {
    beforeAll(newAgent)

    it('[ISO-1] an id means its agent, whatever another agent is called', async () => {
      const own = (await newTenant(running.engine)).caller
      const { agents } = running.engine
      const { id } = await agents.create(own, { name: 'first' })
      const named = await agents.create(own, { name: id })
      expect(await agents.get(own, id)).toMatchObject({ id, name: 'first' })
      expect(await agents.get(own, named.id)).toMatchObject({ id: named.id, name: id })
    })

    it('[DUR-1] reads back what was written, before and after it is stored', async () => {
      const { created, answer } = await put('notes/today.md', '# Today\n', { parents: true })
      expect(created).toBe(true)
      expect(answer).toMatchObject({ path: 'notes/today.md', number: 1, seq: 1, state: 'acknowledged' })
      expect(await read('notes/today.md')).toBe('# Today\n')
      const { id } = await running.engine.agents.get(caller, agent)
      await running.pack(caller, id)
      expect(await running.engine.files.stat(caller, agent, { path: 'notes/today.md' })).toMatchObject({
        state: 'stored',
      })
      expect(await read('notes/today.md')).toBe('# Today\n')
      const other = running.another()
      const opened = await other.files.read(caller, agent, { path: 'notes/today.md' })
      expect(await textOf(opened.body)).toBe('# Today\n')
    })

    it('[AUD-2] gives a receipt for a mutation, and none for identical bytes, which make no version', async () => {
      const first = await put('same.txt', 'the same')
      expect(first.answer.receipt).toMatchObject({ seq: first.answer.seq })
      const second = await put('same.txt', 'the same')
      expect(second).toMatchObject({
        created: false,
        answer: { version: first.answer.version, receipt: null },
      })
      const { data } = await running.engine.files.versions(caller, agent, { path: 'same.txt' }, { limit: 10 })
      expect(data).toHaveLength(1)
    })

    it('[CON-6] insists where the writer does', async () => {
      const { answer } = await put('insist.txt', 'one')
      await expect(put('insist.txt', 'two', { createOnly: true })).rejects.toMatchObject({
        code: 'version_conflict',
        details: { version: answer.version },
      })
      await expect(put('insist.txt', 'two', { ifMatch: uuidv7() })).rejects.toMatchObject({
        code: 'version_conflict',
      })
      const second = await put('insist.txt', 'two', { ifMatch: answer.version })
      expect(second.answer.number).toBe(2)
      expect(await read('insist.txt', { version: 1 })).toBe('one')
      expect(await read('insist.txt', { version: answer.version })).toBe('one')
    })

    it('[CON-2] appends at the end, saying where that was, through many small appends', async () => {
      let whole = ''
      for (let count = 0; count < 120; count++) {
        const line = `line ${count}\n`
        const answer = await running.engine.files.append(caller, agent, 'log.txt', Buffer.from(line))
        expect(answer.offset).toBe(whole.length)
        whole += line
      }
      expect(await read('log.txt')).toBe(whole)
      expect(await read('log.txt', { version: 1 })).toBe('line 0\n')
    })

    it('[DUR-1] keeps content above 1 MiB part by part, and reads ranges of it', async () => {
      const bytes = randomBytes(3 * 1_048_576 + 12_345)
      const source = (async function* () {
        for (let at = 0; at < bytes.length; at += 100_000) {
          await delay(0)
          yield bytes.subarray(at, at + 100_000)
        }
      })()
      const { answer } = await running.engine.files.put(caller, agent, 'large.bin', source)
      expect(answer.number).toBe(1)
      const whole = await running.engine.files.read(caller, agent, { path: 'large.bin' })
      expect((await bytesOf(whole.body)).equals(bytes)).toBe(true)
      const range = { from: 1_048_570, to: 1_048_589 }
      const part = await running.engine.files.read(caller, agent, { node: answer.node }, { range })
      expect(await bytesOf(part.body)).toEqual(bytes.subarray(1_048_570, 1_048_590))
      const { id } = await running.engine.agents.get(caller, agent)
      await running.pack(caller, id)
      const again = await running.another().files.read(caller, agent, { path: 'large.bin' })
      expect((await bytesOf(again.body)).equals(bytes)).toBe(true)
    })

    it('[CON-5] moves, copies, makes and removes directories', async () => {
      const { files } = running.engine
      await files.mkdir(caller, agent, { path: 'a/b/c', parents: true })
      await put('a/b/c/one.md', 'one')
      const moved = await files.move(caller, agent, { from: 'a/b', to: 'a/d' })
      expect(moved.path).toBe('a/d')
      expect(await read('a/d/c/one.md')).toBe('one')
      await files.copy(caller, agent, { from: 'a/d/c/one.md', to: 'a/two.md' })
      expect(await read('a/two.md')).toBe('one')
      await expect(files.delete(caller, agent, 'a')).rejects.toMatchObject({ code: 'not_empty' })
      await expect(files.move(caller, agent, { from: 'a', to: 'a/d/x' })).rejects.toMatchObject({
        code: 'invalid_request',
      })
      const { data } = await files.tree(caller, agent, { path: '', depth: 5, glob: 'a/**', limit: 100 })
      expect(data.map(({ path }) => path)).toEqual(['a', 'a/d', 'a/d/c', 'a/d/c/one.md', 'a/two.md'])
      await files.delete(caller, agent, 'a', { recursive: true })
      await expect(files.stat(caller, agent, { path: 'a' })).rejects.toMatchObject({ code: 'not_found' })
    })

    it('restores an old version and a deleted file', async () => {
      const { files } = running.engine
      const first = await put('back.txt', 'first')
      await put('back.txt', 'second')
      const restored = await files.restore(caller, agent, { path: 'back.txt', version: 1 })
      expect(restored.number).toBe(3)
      expect(await read('back.txt')).toBe('first')
      await files.delete(caller, agent, 'back.txt')
      await expect(read('back.txt')).rejects.toMatchObject({ code: 'not_found' })
      const revived = await files.restore(caller, agent, { path: 'back.txt', version: 2 })
      expect(revived.node).toBe(first.answer.node)
      expect(await read('back.txt')).toBe('second')
    })

    it('[DUR-1] restores a file whose folders were deleted too, with them', async () => {
      const { files } = running.engine
      await files.mkdir(caller, agent, { path: 'lost/deep', parents: true })
      await put('lost/deep/a.md', 'of the first')
      await files.delete(caller, agent, 'lost', { recursive: true })
      expect((await files.restore(caller, agent, { path: 'lost/deep/a.md', version: 1 })).path).toBe(
        'lost/deep/a.md',
      )
      expect(await read('lost/deep/a.md')).toBe('of the first')
      await files.delete(caller, agent, 'lost', { recursive: true })
      await files.mkdir(caller, agent, { path: 'lost/deep', parents: true })
      await put('lost/deep/b.md', 'of the second')
      // The folder that stands there is another one: the file comes back in its own, beside it.
      const beside = await files.restore(caller, agent, { path: 'lost/deep/a.md', version: 1 })
      expect(beside.path).toMatch(/^lost\.conflict-.+-1\/deep\/a\.md$/)
      expect(await read(beside.path)).toBe('of the first')
      expect(await read('lost/deep/b.md')).toBe('of the second')
    })

    it('[ACL-1] a deleted file is judged by where it was, though its folders are deleted too', async () => {
      const { accounts, files } = running.engine
      await files.mkdir(caller, agent, { path: 'closed/deep', parents: true })
      await put('closed/deep/plan.md', 'secret')
      await files.delete(caller, agent, 'closed', { recursive: true })
      const restoreAs = async (prefix: string): Promise<unknown> => {
        const made = await accounts.createKey(caller, { name: `only ${prefix}`, prefixes: [prefix] })
        const principal = await accounts.verifyApiKey(made.secret, '127.0.0.1')
        const limited: Caller = { ...caller, principal }
        return files.restore(limited, agent, { path: 'closed/deep/plan.md', version: 1 })
      }
      for (const prefix of ['plan.md', 'deep', 'elsewhere'])
        await expect(restoreAs(prefix)).rejects.toMatchObject({ code: 'not_found' })
      expect(await restoreAs('closed')).toMatchObject({ path: 'closed/deep/plan.md' })
    })

    it('[ENC-3] erases a file with its keys', async () => {
      const { answer } = await put('secret.txt', 'secret')
      await running.engine.files.delete(caller, agent, 'secret.txt', { erase: true })
      await expect(
        running.engine.files.restore(caller, agent, { path: 'secret.txt', version: answer.version ?? '' }),
      ).rejects.toMatchObject({ code: 'not_found' })
    })

    it('refuses what a path cannot be', async () => {
      for (const path of ['a/../b', 'a//b', './a', 'a\0b', 'x'.repeat(256)]) {
        await expect(put(path, 'x')).rejects.toMatchObject({ code: 'invalid_path' })
      }
      await expect(put('', 'x')).rejects.toMatchObject({ code: 'is_directory' })
      await expect(put('same.txt/below', 'x')).rejects.toMatchObject({ code: 'not_a_directory' })
      await expect(put('missing/below', 'x')).rejects.toMatchObject({ code: 'not_found' })
    })
  })

  describe('another tenant', () => {
    it('[ISO-1] finds nothing of this one, as if it were not there', async () => {
      await newAgent()
      const { answer } = await put('mine.md', 'mine')
      const stranger = (await newTenant(running.engine)).caller
      const own = await running.engine.agents.get(caller, agent)
      const { files, sync, agents, accounts, audit } = running.engine
      const attempts: (() => Promise<unknown>)[] = [
        () => agents.get(stranger, own.id),
        () => agents.delete(stranger, own.id),
        () => files.read(stranger, own.id, { path: 'mine.md' }),
        () => files.read(stranger, own.id, { node: answer.node }),
        () => files.put(stranger, own.id, 'mine.md', Buffer.from('theirs')),
        () => files.delete(stranger, own.id, 'mine.md'),
        () => sync.snapshot(stranger, own.id, { limit: 10 }),
        () => sync.changes(stranger, own.id, { since: 0, epoch: 0 }),
        () => accounts.revokeKey(stranger, caller.principal.keyId ?? ''),
        () => accounts.createKey(stranger, { name: 'x', agents: [own.id] }),
      ]
      for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'not_found' })
      await audit.flush()
      const { data } = await audit.listEvents(stranger, { limit: 1_000 })
      expect(data.some(({ agent: named }) => named === own.id)).toBe(false)
      expect((await agents.list(stranger, { limit: 10 })).data).toEqual([])
      expect(await read('mine.md')).toBe('mine')
    })
  })

  describe('accounts', () => {
    it('signs up once per address, signs in with the right password only', async () => {
      const { accounts } = running.engine
      const email = `${randomUUID()}@example.test`
      const request = { email, password: 'correct horse battery', tenant: 'T' }
      await accounts.signup(origin(), request)
      await expect(
        accounts.signup(origin(), { ...request, email: email.toUpperCase() }),
      ).rejects.toMatchObject({
        code: 'already_exists',
      })
      await expect(accounts.login(origin(), { email, password: 'wrong' })).rejects.toMatchObject({
        code: 'unauthenticated',
      })
      const { answer, session } = await accounts.login(origin(), request)
      expect(answer.user.email).toBe(email)
      const principal = await accounts.verifySession(session.token)
      expect(principal.limits.role).toBe('manager')
      await accounts.logout(origin(), session.token)
      await expect(accounts.verifySession(session.token)).rejects.toMatchObject({ code: 'token_expired' })
    })

    it('[ACL-1] makes keys that can only narrow', async () => {
      const { accounts } = running.engine
      await newAgent()
      const { secret } = await accounts.createKey(caller, { name: 'n', role: 'reader', agents: [agent] })
      const narrow = { ...caller, principal: await accounts.verifyApiKey(secret, null) }
      await expect(put('x', 'x')).resolves.toBeDefined()
      await expect(running.engine.files.put(narrow, agent, 'x', Buffer.from('y'))).rejects.toMatchObject({
        code: 'forbidden',
      })
      await expect(accounts.createKey(narrow, { name: 'w', role: 'manager' })).rejects.toMatchObject({
        code: 'forbidden',
      })
      await expect(accounts.issueToken(narrow, { role: 'writer' })).rejects.toMatchObject({
        code: 'forbidden',
      })
      const { claims } = await accounts.issueToken(narrow, { agent, prefixes: ['notes'] })
      expect(claims.limits).toMatchObject({ role: 'reader', prefixes: ['notes'] })
    })

    it('[ACL-3] refuses a revoked key within a second, in another process too', async () => {
      const { accounts } = running.engine
      const other = running.another()
      const { id, secret } = await accounts.createKey(caller, { name: 'short' })
      await other.accounts.verifyApiKey(secret, null)
      await accounts.revokeKey(caller, id)
      await expect(accounts.verifyApiKey(secret, null)).rejects.toMatchObject({ code: 'key_revoked' })
      const endsAt = performance.now() + 1_000
      let error: unknown
      while (error === undefined && performance.now() < endsAt) {
        error = await other.accounts.verifyApiKey(secret, null).then(
          () => delay(20).then(() => undefined),
          (thrown: unknown) => thrown,
        )
      }
      expect(isAgentfsError(error, 'key_revoked')).toBe(true)
    })

    it('refuses malformed and unknown keys alike', async () => {
      const { accounts } = running.engine
      for (const text of ['', 'afs_live_x', 'nonsense']) {
        await expect(accounts.verifyApiKey(text, null)).rejects.toMatchObject({ code: 'unauthenticated' })
      }
    })
  })

  describe('the audit log', () => {
    it('[AUD-1] names mutations, reads, sign-ins and denials with their author', async () => {
      await newAgent()
      const { audit } = running.engine
      await put('seen.md', 'seen')
      await read('seen.md')
      const { secret } = await running.engine.accounts.createKey(caller, { name: 'r', role: 'reader' })
      const reader = { ...caller, principal: await running.engine.accounts.verifyApiKey(secret, null) }
      await running.engine.files.put(reader, agent, 'seen.md', Buffer.from('no')).catch(() => undefined)
      await audit.flush()
      const { id } = await running.engine.agents.get(caller, agent)
      const { data } = await audit.listEvents(caller, { limit: 100, agent: id })
      const actions = data.map(({ action, path, outcome }) => [action, path, outcome])
      expect(actions).toEqual(
        expect.arrayContaining([
          ['agent.create', null, 'allowed'],
          ['file.create', 'seen.md', 'allowed'],
          ['file.write', 'seen.md', 'allowed'],
          ['file.read', 'seen.md', 'allowed'],
          ['access.denied', 'seen.md', 'denied'],
        ]),
      )
      expect(data.every(({ address }) => address === '127.0.0.1')).toBe(true)
      const denied = await audit.listEvents(caller, { limit: 10, outcome: 'denied', agent: id })
      expect(denied.data.map(({ action }) => action)).toEqual(['access.denied'])
    })
  })

  describe('idempotency', () => {
    it('keeps the answer for the same request and refuses another', async () => {
      const { idempotency } = running.engine
      const digest = randomBytes(32)
      const key = randomUUID()
      expect(await idempotency.begin(caller, key, digest)).toEqual({ kind: 'fresh' })
      await expect(idempotency.begin(caller, key, digest)).rejects.toMatchObject({ code: 'rate_limited' })
      await idempotency.finish(caller, key, { status: 201, body: { secret: 's' } })
      expect(await idempotency.begin(caller, key, digest)).toEqual({
        kind: 'kept',
        answer: { status: 201, body: { secret: 's' } },
      })
      await expect(idempotency.begin(caller, key, randomBytes(32))).rejects.toMatchObject({
        code: 'unprocessable',
      })
      const stranger = (await newTenant(running.engine)).caller
      expect(await idempotency.begin(stranger, key, digest)).toEqual({ kind: 'fresh' })
    })
  })

  it('[ISO-1] names the tenant in every statement on a tenant table', () => {
    const tables =
      /\b(?:from|into|update|join)\s+(?:tenants|tenant_keks|users|sessions|api_keys|agents|streams|followers|objects|records|audit_events|content_keys|tombstones|nodes|entries|aliases|versions|parts|stores|store_pushes|idempotency_keys)\b/i
    const nameless = [...running.statements].filter(
      (text) => tables.test(text) && !text.includes('tenant_id'),
    )
    const probes = nameless.filter(
      (text) => !text.trimEnd().endsWith('as visible') && !text.includes('staged_since is not null'),
    )
    expect(probes).toEqual([])
    expect(new AgentfsError('internal').code).toBe('internal')
  })
})
