import { createHash, randomBytes } from 'node:crypto'
import { type Operation, type PushAnswer, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { bytesOf, newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

const MIB = 1_048_576

/** Bytes in pieces that fit no part. */
async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 77_777) yield bytes.subarray(at, at + 77_777)
}

describe('large files', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: string
  let agents = 0

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    agent = (await running.engine.agents.create(caller, { name: `a${++agents}` })).id
  })

  const push = (operations: Operation[]): Promise<PushAnswer> => {
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    return running.engine.sync.push(
      caller,
      agent,
      0,
      request,
      createHash('sha256').update(uuidv7()).digest('hex'),
    )
  }
  const read = async (path: string, from = 0, to?: number): Promise<Buffer> => {
    const range = to === undefined ? {} : { range: { from, to: to - 1 } }
    return bytesOf((await running.engine.files.read(caller, agent, { path }, range)).body)
  }
  /** Sealed bytes and counts of the parts there are. */
  const parts = async (): Promise<{ pages: number; contents: number; bytes: number }> => {
    const [row] = await running.database.withTenant(
      caller.principal.scope,
      (tx) => tx.query<{ pages: number; contents: number; bytes: number }>`
        select count(part_ids)::integer as pages, (count(*) - count(part_ids))::integer as contents,
          coalesce(sum(sealed_length), 0)::integer as bytes from parts where agent_id = ${agent}`,
    )
    return row ?? { pages: 0, contents: 0, bytes: 0 }
  }

  it('[CON-2] appends of any size: large and small ones side by side, each in one piece', async () => {
    const { files } = running.engine
    const large = [randomBytes(3 * MIB + 5), randomBytes(2 * MIB)]
    const lines = Array.from({ length: 10 }, (_, index) => `line ${index}\n`)
    await files.append(caller, agent, 'log', inPieces(Buffer.from('first\n')))
    const answers = await Promise.all([
      ...large.map((bytes) => files.append(caller, agent, 'log', inPieces(bytes))),
      ...lines.map((line) => files.append(caller, agent, 'log', Buffer.from(line))),
    ])
    const bytes = await read('log')
    expect(bytes).toHaveLength(6 + 5 * MIB + 5 + 10 * 7)
    for (const [index, wanted] of [...large, ...lines.map((line) => Buffer.from(line))].entries()) {
      const { offset } = answers[index] ?? { offset: -1 }
      expect(bytes.subarray(offset, offset + wanted.length).equals(wanted)).toBe(true)
    }
  })

  it('[CON-2] a large append makes the file where it is missing, also as parts that a mount sent ahead', async () => {
    const { files, sync } = running.engine
    const bytes = randomBytes(2 * MIB + 1)
    expect((await files.append(caller, agent, 'new', inPieces(bytes))).offset).toBe(0)
    const { node } = await files.stat(caller, agent, { path: 'new' })
    const part = uuidv7()
    const more = randomBytes(MIB)
    await sync.putPart(caller, agent, { node, part, data: Buffer.from(more) })
    const append = { op: 'append', node, version: uuidv7() } as const
    const named = { ...append, data: Buffer.from('end'), parts: [{ part, partOffset: 10, length: 1_000 }] }
    expect((await push([named])).results).toEqual([{ status: 'applied' }])
    const grown = Buffer.concat([bytes, more.subarray(10, 1_010), Buffer.from('end')])
    expect((await read('new')).equals(grown)).toBe(true)
    const absent = { ...named, version: uuidv7(), parts: [{ part: uuidv7(), partOffset: 0, length: 1 }] }
    expect((await push([absent])).results[0]?.status).toBe('parts_missing')
  })

  it('[CON-2] 100 writers of 100 appends each lose no line, double none and cut none', async () => {
    const { files } = running.engine
    const home = agent
    await files.put(caller, home, 'log', Buffer.from(''))
    await Promise.all(
      Array.from({ length: 100 }, async (_, writer) => {
        for (let line = 0; line < 100; line++) {
          await files.append(caller, home, 'log', Buffer.from(`${writer}/${line}\n`))
        }
      }),
    )
    const lines = (await textOf((await files.read(caller, agent, { path: 'log' })).body))
      .trimEnd()
      .split('\n')
    expect(lines).toHaveLength(10_000)
    expect(new Set(lines).size).toBe(10_000)
    for (let writer = 0; writer < 100; writer++) {
      const own = lines.filter((line) => line.startsWith(`${writer}/`))
      expect(own).toEqual(Array.from({ length: 100 }, (_, line) => `${writer}/${line}`))
    }
  }, 300_000)

  it('an edit in the middle of a paged file stores what changed, one page and a manifest', async () => {
    const { files } = running.engine
    const bytes = randomBytes(300 * MIB)
    await files.put(caller, agent, 'big', inPieces(bytes))
    const before = await parts()
    expect(before).toMatchObject({ pages: 2, contents: 300 })
    const { node, version } = await files.stat(caller, agent, { path: 'big' })
    const change = randomBytes(100)
    const extents = [{ offset: 200 * MIB + 7, data: change }]
    const write = {
      op: 'write',
      node,
      base: version ?? null,
      version: uuidv7(),
      size: bytes.length,
      extents,
    } as const
    expect((await push([write])).results).toEqual([{ status: 'applied' }])
    const after = await parts()
    expect([after.contents, after.pages]).toEqual([301, 4])
    expect(after.bytes - before.bytes).toBeLessThan(40_000)
    change.copy(bytes, 200 * MIB + 7)
    expect((await read('big', 200 * MIB, 201 * MIB)).equals(bytes.subarray(200 * MIB, 201 * MIB))).toBe(true)
    await files.append(caller, agent, 'big', Buffer.from('end'))
    const appended = await parts()
    expect([appended.contents, appended.pages]).toEqual([302, 5])

    // As another process reads it, out of the object store, with nothing remembered.
    await running.pack(caller, agent)
    const other = running.another()
    const { objectStore } = running
    const getRange = objectStore.getRange.bind(objectStore)
    const fetched: number[] = []
    objectStore.getRange = async (key, from, length) => {
      const got = await getRange(key, from, length)
      fetched.push(got.length)
      return got
    }
    const few = { path: 'big' }
    const hundred = { range: { from: 250 * MIB + 20_000, to: 250 * MIB + 20_099 } }
    const tiny = await bytesOf((await other.files.read(caller, agent, few, hundred)).body)
    expect(tiny.equals(bytes.subarray(250 * MIB + 20_000, 250 * MIB + 20_100))).toBe(true)
    objectStore.getRange = getRange
    // A manifest, the one page that overlaps, 72 bytes of the part, and one chunk of it.
    expect(fetched).toHaveLength(4)
    expect(fetched.filter((length) => length > 24_000)).toEqual([])
    const whole = createHash('sha256')
    const opened = await other.files.read(caller, agent, { path: 'big' })
    for await (const window of opened.body as AsyncIterable<Uint8Array>) whole.update(window)
    expect(whole.digest('hex')).toBe(createHash('sha256').update(bytes).update('end').digest('hex'))
  }, 120_000)

  it('a hole of 1 TiB costs nothing, and reads as zeros anywhere in it', async () => {
    const { files } = running.engine
    await files.put(caller, agent, 'sparse', Buffer.from('begin'))
    const { node, version } = await files.stat(caller, agent, { path: 'sparse' })
    const size = 1024 ** 4
    const extents = [{ offset: size - 10, data: Buffer.from('0123456789') }]
    const write = { op: 'write', node, base: version ?? null, version: uuidv7(), size, extents } as const
    expect((await push([write])).results).toEqual([{ status: 'applied' }])
    expect((await parts()).bytes).toBeLessThan(1_000)
    expect((await read('sparse', size - 12, size)).toString()).toBe('\0\x000123456789')
    expect((await read('sparse', size / 2, size / 2 + 100)).equals(Buffer.alloc(100))).toBe(true)
    const punched = { ...write, base: write.version, version: uuidv7() }
    const holes = [{ offset: 0, length: size - 5, hole: true as const }]
    expect((await push([{ ...punched, extents: holes }])).results).toEqual([{ status: 'applied' }])
    expect((await read('sparse', 0, 5)).equals(Buffer.alloc(5))).toBe(true)
    expect((await read('sparse', size - 10, size)).toString()).toBe('\0\0\0\0\x0056789')
  })
})
