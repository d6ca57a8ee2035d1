import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const ROUNDS = 4
const WRITERS = 8

describe('kill -9 of Postgres', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    await running.engine.agents.create(caller, { name: 'crash' })
  })
  afterAll(() => running.stop())

  it('[DUR-1] [DUR-2] loses no acknowledged write and leaves none half done, without gaps in seq', async () => {
    const acknowledged = new Map<string, string>()
    let counted = 0
    for (let round = 0; counted < ROUNDS && round < ROUNDS * 4; round++) {
      let stopped = false
      let failed = 0
      let succeeded = 0
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        for (let count = 0; !stopped; count++) {
          const path = `w${writer}.md`
          const text = `${round}/${writer}/${count}`
          try {
            await running.engine.files.put(caller, 'crash', path, Buffer.from(text))
            acknowledged.set(path, text)
            succeeded++
          } catch {
            failed++
            return
          }
        }
      })
      await waitFor(() => succeeded > WRITERS, { deadlineMs: 20_000, what: 'writes to be acknowledged' })
      await delay(Math.random() * 30)
      await running.cluster.crash()
      stopped = true
      await Promise.all(writers)
      await running.cluster.start()
      // A round in which nothing was under way proves nothing.
      if (failed === 0) continue
      counted++
      await waitFor(() => running.engine.ready().then(() => true), {
        deadlineMs: 10_000,
        what: 'the database',
      })
      await verify(acknowledged, round)
    }
    expect(counted).toBe(ROUNDS)
  }, 120_000)

  async function verify(acknowledged: ReadonlyMap<string, string>, round: number): Promise<void> {
    const reader = running.another()
    for (const [path, text] of acknowledged) {
      const found = await textOf((await reader.files.read(caller, 'crash', { path })).body)
      // A write whose answer was lost may be there all the same: then it is a later one of the same writer.
      const [seenRound, writer, count] = found.split('/').map(Number)
      const [, , atLeast] = text.split('/').map(Number)
      expect(path).toBe(`w${writer}.md`)
      expect(seenRound).toBeLessThanOrEqual(round)
      if (text.startsWith(`${seenRound}/`)) expect(count).toBeGreaterThanOrEqual(atLeast ?? 0)
    }
    const { id } = await reader.agents.get(caller, 'crash')
    const commits: number[] = []
    for (;;) {
      const page = await reader.sync.changes(caller, id, { since: commits.length, epoch: 0, limit: 1_000 })
      commits.push(...page.commits.map(({ seq }) => seq))
      if (page.commits.length === 0 || commits.length >= page.head) break
    }
    expect(commits).toEqual(commits.map((_, index) => index + 1))
  }
})
