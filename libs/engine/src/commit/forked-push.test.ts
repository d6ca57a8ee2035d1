import { createHash } from 'node:crypto'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

describe('[SY-8] a client store that was restored from an older state, and forked', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'restored' })
  })
  afterAll(() => running.stop())

  const push = (operations: Operation[]): Promise<PushAnswer> => {
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    return running.engine.sync.push(caller, agent.id, 0, request, digest)
  }
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
  const read = async (path: string) =>
    textOf((await running.engine.files.read(caller, agent.id, { path })).body)
  const paths = async () => {
    const { data } = await running.engine.files.tree(caller, agent.id, { path: '', depth: 64, limit: 1_000 })
    return data.map(({ path }) => path)
  }

  it('sends again what is committed under its old id: it is there once, and nothing is refused', async () => {
    const node = uuidv7()
    const [first, second, third] = [uuidv7(), uuidv7(), uuidv7()]
    const made: Operation[] = [
      { op: 'create', node, kind: 'file', parent: agent.root, name: 'log.md' },
      {
        op: 'write',
        node,
        base: null,
        version: first,
        size: 3,
        extents: [{ offset: 0, data: bytes('one') }],
      },
      { op: 'append', node, version: second, data: bytes(' two') },
    ]
    await push(made)
    await push([{ op: 'append', node, version: third, data: bytes(' three') }])

    const again = await push(made)
    expect(again.results.map(({ status }) => status)).not.toContain('refused')
    const more = await push([
      { op: 'append', node, version: third, data: bytes(' three') },
      { op: 'append', node, version: uuidv7(), data: bytes(' four') },
    ])
    expect(more.results.map(({ status }) => status)).not.toContain('refused')
    expect(await read('log.md')).toBe('one two three four')
    expect(await paths()).toEqual(['log.md'])
  })
})
