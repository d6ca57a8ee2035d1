import type { KeyCreateRequest, TokenRequest } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, origin, type RunningEngine, startEngine } from '../running-engine.contract.js'

describe('[ACL-1] a key is revoked', () => {
  let running: RunningEngine
  let manager: Caller
  let agent: string

  beforeAll(async () => {
    running = await startEngine()
    manager = (await newTenant(running.engine)).caller
    agent = (await running.engine.agents.create(manager, { name: 'home' })).id
  })
  afterAll(() => running.stop())

  const newKey = async (limits: Omit<KeyCreateRequest, 'name'> = {}) => {
    const { accounts } = running.engine
    const { id, secret } = await accounts.createKey(manager, { name: 'key', ...limits })
    const caller: Caller = { ...origin(), principal: await accounts.verifyApiKey(secret, '127.0.0.1') }
    return { id, secret, caller }
  }
  const tokenOf = async (caller: Caller, request: TokenRequest): Promise<Caller> => {
    const { accounts } = running.engine
    const { claims } = await accounts.issueToken(caller, request)
    return { ...origin(), principal: await accounts.verifyToken(claims, '127.0.0.1') }
  }
  const holds = (secret: string) => running.engine.accounts.verifyApiKey(secret, '127.0.0.1')

  it('by no token narrowed from it, nor by one that is for less than the whole tenant', async () => {
    const key = await newKey()
    const other = await newKey()
    const narrowings: TokenRequest[] = [
      { role: 'reader' },
      { role: 'writer' },
      { prefixes: ['notes'] },
      { agent },
    ]
    for (const request of narrowings) {
      const narrowed = await tokenOf(key.caller, request)
      for (const { id, secret } of [key, other]) {
        await expect(running.engine.accounts.revokeKey(narrowed, id)).rejects.toMatchObject({
          code: 'forbidden',
        })
        await expect(holds(secret)).resolves.toBeDefined()
      }
    }
    const reader = await newKey({ role: 'reader' })
    const token = await tokenOf(reader.caller, {})
    await expect(running.engine.accounts.revokeKey(token, reader.id)).rejects.toMatchObject({
      code: 'forbidden',
    })
  })

  it("by a manager's token for the whole tenant", async () => {
    const key = await newKey()
    await running.engine.accounts.revokeKey(await tokenOf(manager, {}), key.id)
    await expect(holds(key.secret)).rejects.toMatchObject({ code: 'key_revoked' })
  })

  it('by itself, whatever it may do else', async () => {
    const soon = new Date(Date.now() + 60_000).toISOString()
    const limits: Omit<KeyCreateRequest, 'name'>[] = [
      {},
      { role: 'reader', expiresAt: soon },
      { role: 'writer', agents: [agent], cidrs: ['127.0.0.0/8'] },
      { prefixes: ['notes'] },
    ]
    for (const limit of limits) {
      const key = await newKey(limit)
      await running.engine.accounts.revokeKey(key.caller, key.id)
      await expect(holds(key.secret)).rejects.toMatchObject({ code: 'key_revoked' })
    }
  })
})
