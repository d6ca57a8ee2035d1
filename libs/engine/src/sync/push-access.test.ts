import { createHash } from 'node:crypto'
import { type Operation, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, origin, type RunningEngine, startEngine } from '../running-engine.contract.js'

describe('pushes', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  const push = (as: Caller, agent: string, store: string, operations: Operation[]) => {
    const request = { store, number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    return running.engine.sync.push(as, agent, 0, request, digest)
  }

  it('[ACL-1] of a credential limited to some paths are refused: a base would show it what it may not read', async () => {
    const { engine } = running
    const agent = await engine.agents.create(caller, { name: 'limited' })
    const secret = await engine.files.put(caller, agent.id, 'secret.md', Buffer.from('secret'))
    const own = await engine.files.put(caller, agent.id, 'own/a.md', Buffer.from(''), { parents: true })
    const made = await engine.accounts.createKey(caller, { name: 'own only', prefixes: ['own'] })
    const principal = await engine.accounts.verifyApiKey(made.secret, '127.0.0.1')
    const limited: Caller = { ...origin(), principal }
    const { version } = secret.answer
    const before = await engine.agents.get(caller, agent.id)
    const write = {
      op: 'truncate',
      node: own.answer.node,
      base: version,
      version: uuidv7(),
      size: 6,
    } as const
    await expect(push(limited, agent.id, uuidv7(), [write])).rejects.toMatchObject({ code: 'forbidden' })
    expect((await engine.agents.get(caller, agent.id)).seq).toBe(before.seq)
  })
})
