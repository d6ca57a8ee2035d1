import { createHash, randomUUID } from 'node:crypto'
import { EMPTY_LOG, append as appendLeaf, recordLeaf, root } from '@agentfs/audit'
import {
  type Operation,
  type PushAnswer,
  type PushRequest,
  type StreamRecord,
  uuidv7,
} from '@agentfs/contracts'
import { openObject } from '@agentfs/crypto'
import { findStream, recordsAfter } from '@agentfs/storage'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { KeyVault } from '../keys/key-vault.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const MIB = 1_048_576

describe('commits of one agent', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string; name: string }

  beforeAll(async () => {
    running = await startEngine({ fileBytesMax: 4 * MIB })
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    agent = await running.engine.agents.create(caller, { name: `a-${randomUUID().slice(0, 8)}` })
  })

  /** A client store that numbers and chains its pushes. */
  class Client {
    readonly store = uuidv7()
    number = 0
    previous: string | null = null

    form(operations: Operation[]): { request: PushRequest; digest: string } {
      const request = { store: this.store, number: this.number + 1, previous: this.previous, operations }
      const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
      return { request, digest }
    }

    async push(...operations: Operation[]): Promise<PushAnswer> {
      const { request, digest } = this.form(operations)
      const answer = await running.engine.sync.push(caller, agent.id, 0, request, digest)
      this.number += 1
      this.previous = digest
      return answer
    }
  }

  const create = (node: string, name: string, parent = agent.root): Operation => ({
    op: 'create',
    node,
    kind: 'file',
    parent,
    name,
  })
  const write = (node: string, text: string, base: string | null, version = uuidv7()): Operation => {
    const data = Uint8Array.from(Buffer.from(text))
    return { op: 'write', node, base, version, size: data.length, extents: [{ offset: 0, data }] }
  }
  const read = async (path: string) =>
    textOf((await running.engine.files.read(caller, agent.id, { path })).body)
  const paths = async () => {
    const { data } = await running.engine.files.tree(caller, agent.id, { path: '', depth: 64, limit: 1_000 })
    return data.map(({ path }) => path)
  }

  it('[VIS-3] gives 20 racing writers numbers without gaps, under one Merkle log that holds every record', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        const seqs: number[] = []
        for (let round = 0; round < 4; round++) {
          const path = `writer-${writer}.md`
          const put = await running.engine.files.put(caller, agent.id, path, Buffer.from(`round ${round}`))
          seqs.push(put.answer.seq)
        }
        return seqs
      }),
    )
    const seqs = answers.flat().sort((left, right) => left - right)
    expect(seqs).toEqual(Array.from({ length: 80 }, (_, index) => index + 1))
    const { scope } = caller.principal
    const vault = new KeyVault(running.database, running.resources)
    const log = await running.database.withTenant(scope, async (tx) => {
      const stream = await findStream(tx, agent.id)
      const records = await recordsAfter(tx, agent.id, 0, 0, 1_000)
      const keys = await vault.load(tx, [stream?.keyId ?? ''])
      return { stream, records, key: keys.get(stream?.keyId ?? '') }
    })
    let state = EMPTY_LOG
    for (const [index, row] of log.records.entries()) {
      if (log.key === undefined || row.sealed === null) throw new Error('a record is not at hand')
      const binding = {
        kind: 'record',
        tenantId: scope.tenantId,
        objectId: row.recordId,
        ...log.key,
      } as const
      const record = JSON.parse(openObject(binding, row.sealed).toString('utf8')) as StreamRecord
      expect(record.seq).toBe(index + 1)
      expect(recordLeaf(record).equals(row.leaf)).toBe(true)
      state = appendLeaf(state, row.leaf)
    }
    expect(log.stream?.merkleSize).toBe(80)
    expect(root({ size: 80, range: log.stream?.merkleRange ?? new Uint8Array(0) }).equals(root(state))).toBe(
      true,
    )
    expect(running.announced.filter(({ agentId }) => agentId === agent.id)).toHaveLength(80)
  })

  it('[CON-2] loses no line of racing appends, from two processes', async () => {
    const engines = [running.engine, running.another()]
    await Promise.all(
      Array.from({ length: 12 }, async (_, writer) => {
        for (let line = 0; line < 8; line++) {
          const text = `${writer}:${line}\n`
          await engines[writer % 2]?.files.append(caller, agent.id, 'log.txt', Buffer.from(text))
        }
      }),
    )
    const lines = (await read('log.txt')).trimEnd().split('\n')
    const expected = Array.from({ length: 96 }, (_, index) => `${Math.floor(index / 8)}:${index % 8}`)
    expect(lines.toSorted()).toEqual(expected.toSorted())
  })

  it('[SY-8] answers a resent push with the same answer and applies it once', async () => {
    const client = new Client()
    const node = uuidv7()
    const { request, digest } = client.form([create(node, 'once.md'), write(node, 'once', null)])
    const first = await running.engine.sync.push(caller, agent.id, 0, request, digest)
    const second = await running.engine.sync.push(caller, agent.id, 0, request, digest)
    const racing = await Promise.all(
      [running.engine, running.another()].map((engine) =>
        engine.sync.push(caller, agent.id, 0, request, digest),
      ),
    )
    for (const answer of [second, ...racing]) expect(answer).toEqual(first)
    expect((await running.engine.agents.get(caller, agent.id)).seq).toBe(1)
  })

  it('[SY-8] refuses a push that does not follow, of a copied or restored store', async () => {
    const client = new Client()
    await client.push(create(uuidv7(), 'a.md'))
    const other = createHash('sha256').update('other').digest('hex')
    for (const push of [
      { number: 2, previous: other },
      { number: 3, previous: client.previous },
      { number: 1, previous: null },
    ]) {
      const request = { store: client.store, ...push, operations: [create(uuidv7(), 'b.md')] }
      const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
      await expect(running.engine.sync.push(caller, agent.id, 0, request, digest)).rejects.toMatchObject({
        code: 'store_forked',
        details: { lastNumber: 1, lastDigest: client.previous },
      })
    }
    expect(await paths()).toEqual(['a.md'])
  })

  it('[SY-4] refuses a push of another epoch', async () => {
    const { request, digest } = new Client().form([create(uuidv7(), 'a.md')])
    await expect(running.engine.sync.push(caller, agent.id, 1, request, digest)).rejects.toMatchObject({
      code: 'epoch_changed',
      details: { epoch: 0 },
    })
  })

  it('[SY-7] create tmp, write tmp (refused), replace notes.md: notes.md keeps its content', async () => {
    const client = new Client()
    const notes = uuidv7()
    const version = uuidv7()
    await client.push(create(notes, 'notes.md'), write(notes, 'precious', null, version))
    const tmp = uuidv7()
    const tooLarge = uuidv7()
    const answer = await client.push(
      create(tmp, '.notes.tmp'),
      { op: 'write', node: tmp, base: null, version: tooLarge, size: 5 * MIB, extents: [] },
      {
        op: 'replace',
        source: tmp,
        from: { parent: agent.root, name: '.notes.tmp' },
        target: notes,
        to: { parent: agent.root, name: 'notes.md' },
        base: version,
        version: uuidv7(),
        content: { sourceVersion: tooLarge },
      },
      create(uuidv7(), 'unrelated.md'),
    )
    expect(answer.results).toEqual([
      { status: 'applied' },
      expect.objectContaining({ status: 'refused', code: 'too_large' }),
      expect.objectContaining({ status: 'refused', because: 1 }),
      { status: 'applied' },
    ])
    expect(await read('notes.md')).toBe('precious')
    expect(await paths()).toEqual(['.notes.tmp', 'notes.md', 'unrelated.md'])
  })

  it('[SY-11] a save by rename is an edit of the target, whose id and history stay', async () => {
    const client = new Client()
    const notes = uuidv7()
    let version = uuidv7()
    await client.push(create(notes, 'notes.md'), write(notes, 'one', null, version))
    for (const text of ['two', 'three']) {
      const tmp = uuidv7()
      const next = uuidv7()
      const written = uuidv7()
      const answer = await client.push(create(tmp, '4913'), write(tmp, text, null, written), {
        op: 'replace',
        source: tmp,
        from: { parent: agent.root, name: '4913' },
        target: notes,
        to: { parent: agent.root, name: 'notes.md' },
        base: version,
        version: next,
        content: { sourceVersion: written },
      })
      expect(answer.results.map(({ status }) => status)).toEqual(['applied', 'applied', 'applied'])
      version = next
      // The source's id stands for the target from now on.
      const stat = await running.engine.files.stat(caller, agent.id, { node: tmp })
      expect(stat).toMatchObject({ node: notes, path: 'notes.md' })
    }
    expect(await read('notes.md')).toBe('three')
    expect(await paths()).toEqual(['notes.md'])
    const { data } = await running.engine.files.versions(
      caller,
      agent.id,
      { path: 'notes.md' },
      { limit: 10 },
    )
    expect(data.map(({ number }) => number)).toEqual([3, 2, 1])
    await running.pack(caller, agent.id)
    expect(
      await textOf((await running.another().files.read(caller, agent.id, { path: 'notes.md' })).body),
    ).toBe('three')
  })

  it('[CON-3] a stale base keeps both, and says so', async () => {
    const one = new Client()
    const two = new Client()
    const node = uuidv7()
    const base = uuidv7()
    await one.push(create(node, 'plan.md'), write(node, 'base', null, base))
    await one.push(write(node, 'from one', base))
    const answer = await two.push(write(node, 'from two', base))
    expect(answer.results).toEqual([
      expect.objectContaining({ status: 'conflict-copy', name: `plan.conflict-${agent.name}-1.md` }),
    ])
    expect(await read('plan.md')).toBe('from one')
    expect(await read(`plan.conflict-${agent.name}-1.md`)).toBe('from two')
  })

  it('[SY-9] a write may be based on one of the same push, and of one before its answer', async () => {
    const client = new Client()
    const node = uuidv7()
    const first = uuidv7()
    const answer = await client.push(create(node, 'a.txt'), write(node, 'hello world', null, first), {
      op: 'write',
      node,
      base: first,
      version: uuidv7(),
      size: 9,
      extents: [{ offset: 6, data: Uint8Array.from(Buffer.from('you')) }],
    })
    expect(answer.results.map(({ status }) => status)).toEqual(['applied', 'applied', 'applied'])
    expect(await read('a.txt')).toBe('hello you')
  })

  it('[SY-12] two creations of one directory, and of one file, are one; the losing id stays an alias', async () => {
    const one = new Client()
    const two = new Client()
    const [a, b, inA, inB] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()]
    const directory = (node: string): Operation => ({
      op: 'create',
      node,
      kind: 'directory',
      parent: agent.root,
      name: 'd',
    })
    await one.push(directory(a), create(inA, 'one.md', a))
    const answer = await two.push(directory(b), create(inB, 'two.md', b))
    expect(answer.results[0]).toEqual({ status: 'unified', node: a })
    expect(await paths()).toEqual(['d', 'd/one.md', 'd/two.md'])
    expect((await running.engine.files.stat(caller, agent.id, { node: b })).node).toBe(a)
  })

  it('[SY-13] names the parts that are missing, and takes them once they are there', async () => {
    const client = new Client()
    const node = uuidv7()
    const part = uuidv7()
    const named: Operation = {
      op: 'write',
      node,
      base: null,
      version: uuidv7(),
      size: 5,
      extents: [{ offset: 0, length: 5, part, partOffset: 0 }],
    }
    const missing = await client.push(create(node, 'part.bin'), named)
    expect(missing.results[1]).toEqual({ status: 'parts_missing', parts: [part] })
    const data = Buffer.from('12345')
    const kept = await running.engine.sync.putPart(caller, agent.id, { node, part, data })
    expect(kept).toMatchObject({ created: true, answer: { part, size: 5, state: 'stored' } })
    const answer = await client.push({ ...named, version: uuidv7() })
    expect(answer.results).toEqual([{ status: 'applied' }])
    expect(await read('part.bin')).toBe('12345')
  })

  it('[CON-5] an edit brings a deleted file back with the directories it needs', async () => {
    const client = new Client()
    const [dir, node, base] = [uuidv7(), uuidv7(), uuidv7()]
    await client.push(
      { op: 'create', node: dir, kind: 'directory', parent: agent.root, name: 'd' },
      create(node, 'a.md', dir),
      write(node, 'one', null, base),
    )
    await running.engine.files.delete(caller, agent.id, 'd', { recursive: true })
    expect(await paths()).toEqual([])
    const answer = await new Client().push(write(node, 'two', base))
    expect(answer.results).toEqual([{ status: 'applied' }])
    expect(await read('d/a.md')).toBe('two')
  })

  it('[SY-2] snapshot and changes tell a follower the same tree', async () => {
    const client = new Client()
    const node = uuidv7()
    await client.push(create(node, 'a.md'), write(node, 'a', null))
    await running.engine.files.mkdir(caller, agent.id, { path: 'd' })
    await running.engine.files.move(caller, agent.id, { from: 'a.md', to: 'd/b.md' })
    await running.pack(caller, agent.id)
    await running.engine.files.put(caller, agent.id, 'c.md', Buffer.from('c'))
    const snapshot = await running.engine.sync.snapshot(caller, agent.id, { limit: 100 })
    const changes = await running.another().sync.changes(caller, agent.id, { since: 0, epoch: 0 })
    expect(changes.commits.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(snapshot.seq0).toBe(4)
    const entries = new Map<string, string | null>()
    for (const { delta } of changes.commits) {
      for (const { parent, name, node: to } of delta.entries) entries.set(`${parent}/${name}`, to)
    }
    const followed = [...entries].filter(([, to]) => to !== null).map(([name, to]) => `${name}=${to}`)
    const shown = snapshot.rows.flatMap((row) =>
      row.entries.map(({ parent, name }) => `${parent}/${name}=${row.node.id}`),
    )
    expect(shown.toSorted()).toEqual(followed.toSorted())
  })
})
