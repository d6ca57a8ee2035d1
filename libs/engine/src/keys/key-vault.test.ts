import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { KeyVault } from './key-vault.js'

describe('the vault', () => {
  let running: RunningEngine

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())

  it('opens keys in a transaction with no connection but its own: all of them may be in use', async () => {
    const { caller } = await newTenant(running.engine)
    const { scope } = caller.principal
    const { id } = await running.engine.agents.create(caller, { name: 'a' })
    const database = running.connections(1)
    const vault = new KeyVault(database, running.resources)
    const opened = await database.withTenant(scope, async (tx) => {
      const rows = await tx.query<{ keyId: string }>`
        select key_id from content_keys where tenant_id = ${tx.tenantId} and (agent_id = ${id} or agent_id is null)`
      const keyIds = rows.map(({ keyId }) => keyId)
      return { keyIds, keys: await vault.load(tx, keyIds) }
    })
    expect(opened.keyIds.length).toBeGreaterThan(2)
    expect([...opened.keys.keys()].toSorted()).toEqual(opened.keyIds.toSorted())
    // The KEK is held from then on.
    expect((await vault.newKey(scope, 'content')).row.kekVersion).toBe(1)
  }, 10_000)
})
