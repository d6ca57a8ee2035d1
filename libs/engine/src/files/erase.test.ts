import { createHash } from 'node:crypto'
import { uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

describe('erasing', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  it('[DUR-1] one of two names of a file leaves its content to the other; the last one takes the keys', async () => {
    const { files, agents, sync } = running.engine
    const agent = await agents.create(caller, { name: 'erasing' })
    const { answer } = await files.put(caller, agent.id, 'a.md', Buffer.from('kept'))
    const link = { op: 'link', node: answer.node, parent: agent.root, name: 'b.md' } as const
    const request = { store: uuidv7(), number: 1, previous: null, operations: [link] }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    await sync.push(caller, agent.id, 0, request, digest)
    await files.delete(caller, agent.id, 'a.md', { erase: true })
    const { body } = await files.read(caller, agent.id, { path: 'b.md' })
    expect(await textOf(body)).toBe('kept')
    await files.delete(caller, agent.id, 'b.md', { erase: true })
    await expect(
      files.restore(caller, agent.id, { path: 'b.md', version: answer.version ?? '' }),
    ).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
