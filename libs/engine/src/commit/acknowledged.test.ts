import { Database } from '@agentfs/storage'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

// A constraint that is checked by COMMIT itself: the last moment at which Postgres can still refuse.
async function refuseAtCommit(owner: Database): Promise<void> {
  await owner.withoutTenant(async (tx) => {
    await tx.query`create function refuse_at_commit() returns trigger language plpgsql as
      'begin raise exception ''refused at commit''; end'`
    await tx.query`create constraint trigger refuse_at_commit after insert on versions deferrable initially deferred
      for each row execute function refuse_at_commit()`
  })
}

async function refuseNoLonger(owner: Database): Promise<void> {
  await owner.withoutTenant(async (tx) => {
    await tx.query`drop trigger refuse_at_commit on versions`
    await tx.query`drop function refuse_at_commit()`
  })
}

describe('what Postgres refuses at COMMIT', () => {
  let running: RunningEngine
  let caller: Caller
  let owner: Database

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    await running.engine.agents.create(caller, { name: 'agent' })
    owner = new Database({ url: running.url, headsUrl: running.url })
  })
  afterAll(async () => {
    await owner.close()
    await running.stop()
  })

  it('[DUR-1] [DUR-2] is not acknowledged, not announced, and not there; the next write is', async () => {
    const { files } = running.engine
    const put = (text: string) => files.put(caller, 'agent', 'notes.md', Buffer.from(text))
    await put('before')
    const announced = running.announced.length
    await refuseAtCommit(owner)
    await expect(put('refused')).rejects.toThrow(/refused at commit|database/)
    await refuseNoLonger(owner)
    expect(running.announced).toHaveLength(announced)
    const read = async () => textOf((await files.read(caller, 'agent', { path: 'notes.md' })).body)
    expect(await read()).toBe('before')
    const { answer } = await put('after')
    expect(answer.seq).toBe(2)
    expect(await read()).toBe('after')
  })
})
