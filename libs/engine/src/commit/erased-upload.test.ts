import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Operation, PART_BYTES_MAX, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

const DEADLINE_MS = 10_000

describe('[ENC-3] parts that went up for a file which is erased before they are named', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }
  let node: string
  let base: string | null

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    agent = await running.engine.agents.create(caller, { name: uuidv7() })
    const { answer } = await running.engine.files.put(caller, agent.id, 'a.bin', Buffer.from('before'))
    ;({ node, version: base } = answer)
  })

  const data = (part: number) => Buffer.alloc(part === 0 ? PART_BYTES_MAX : 10, part + 1)
  const upload = (part: string, index: number) =>
    running.engine.sync.putPart(caller, agent.id, { node, part, data: Uint8Array.from(data(index)) })
  const erase = () => running.engine.files.delete(caller, agent.id, 'a.bin', { erase: true })
  const write = (parts: readonly string[]): Promise<PushAnswer> => {
    const extents = parts.map((part, index) => {
      return { offset: index * PART_BYTES_MAX, length: data(index).length, part, partOffset: 0 }
    })
    const size = extents.reduce((sum, { length }) => sum + length, 0)
    const operations: Operation[] = [{ op: 'write', node, base, version: uuidv7(), size, extents }]
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    return running.engine.sync.push(caller, agent.id, 0, request, digest)
  }
  const content = async () =>
    bytesOf((await running.engine.files.read(caller, agent.id, { path: 'a.bin' })).body)
  /** Until so many sessions wait for a lock. */
  const waiting = async (count: number): Promise<void> => {
    const endsAt = performance.now() + DEADLINE_MS
    for (;;) {
      const [row] = await running.database.withTenant(
        caller.principal.scope,
        (tx) => tx.query<{ waiting: number }>`
          select count(*)::integer as waiting from pg_stat_activity where wait_event_type = 'Lock'`,
      )
      if ((row?.waiting ?? 0) >= count) return
      if (performance.now() > endsAt) throw new Error(`${row?.waiting} of ${count} sessions wait for a lock`)
      await delay(5)
    }
  }

  it('are asked for again, and taken again under their ids: what is acknowledged then can be read', async () => {
    const parts = [uuidv7(), uuidv7()]
    for (const [index, part] of parts.entries()) await upload(part, index)
    await erase()
    expect((await write(parts)).results).toEqual([{ status: 'parts_missing', parts }])
    expect(await running.engine.sync.missingParts(caller, agent.id, parts)).toEqual(parts)
    // A small one too: its content would have to be hashed.
    expect((await write([parts[1]!])).results).toEqual([{ status: 'parts_missing', parts: [parts[1]] }])
    for (const [index, part] of parts.entries()) {
      // The process that took them may hold the erased key for some seconds: it says so, and looks again.
      await upload(part, index).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'unavailable' })
        return upload(part, index)
      })
    }
    expect((await write(parts)).results).toMatchObject([{ status: 'applied' }])
    expect((await content()).equals(Buffer.concat(parts.map((_, index) => data(index))))).toBe(true)
  })

  it('are asked for again where the push waited for the lock meanwhile', async () => {
    const parts = [uuidv7(), uuidv7()]
    for (const [index, part] of parts.entries()) await upload(part, index)
    const held = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holder = running.database.withTenant(caller.principal.scope, async (tx) => {
      await tx.query`select from streams where stream_id = ${agent.id} for update`
      held.resolve()
      await release.promise
    })
    await held.promise
    const erasing = erase()
    await waiting(1)
    const pushing = write(parts)
    await waiting(2)
    release.resolve()
    await Promise.all([holder, erasing])
    expect((await pushing).results).toEqual([{ status: 'parts_missing', parts }])
  })

  it('[SY-8] are not asked for where a commit had them: of a push that comes twice nothing is sent again', async () => {
    const parts = [uuidv7(), uuidv7()]
    for (const [index, part] of parts.entries()) await upload(part, index)
    expect((await write(parts)).results).toMatchObject([{ status: 'applied' }])
    await erase()
    expect(await running.engine.sync.missingParts(caller, agent.id, parts)).toEqual([])
    expect(await upload(parts[0]!, 0)).toMatchObject({ created: false })
    // New content cannot be made of them, under these ids.
    expect((await write(parts)).results).toEqual([{ status: 'parts_missing', parts }])
    const size = PART_BYTES_MAX + 10
    const composing = running.engine.files.compose(caller, agent.id, { path: 'b.bin', node, size, parts }, {})
    await expect(composing).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('make no file by REST either', async () => {
    const parts = [uuidv7(), uuidv7()]
    for (const [index, part] of parts.entries()) await upload(part, index)
    await erase()
    const size = PART_BYTES_MAX + 10
    const composing = running.engine.files.compose(caller, agent.id, { path: 'a.bin', node, size, parts }, {})
    await expect(composing).rejects.toMatchObject({ code: 'parts_missing', details: { parts } })
  })
})
