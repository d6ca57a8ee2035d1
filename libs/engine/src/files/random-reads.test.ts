import { randomBytes } from 'node:crypto'
import { type Operation, PART_BYTES_MAX, uuidv7 } from '@agentfs/contracts'
import { type ObjectStore, openFilesystemObjectStore } from '@agentfs/storage'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { FilesApi } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

const MIB = PART_BYTES_MAX
/** A chunk of 16 KiB with its tag, twice: a range may lie across two. */
const CHUNKS_BYTES_MAX = 2 * 16_400
const KEY_BYTES = 72

describe('a small range of a large file that is stored', () => {
  const bytes = randomBytes(4 * MIB)
  const gets: { readonly key: string; readonly length: number }[] = []
  let directory: TemporaryDirectory
  let running: RunningEngine
  let caller: Caller
  let agent: string
  let files: FilesApi

  beforeAll(async () => {
    directory = await temporaryDirectory('random-reads')
    running = await startEngine(
      {},
      { objectStore: counting(await openFilesystemObjectStore(directory.path)) },
    )
    caller = (await newTenant(running.engine)).caller
    agent = (await running.engine.agents.create(caller, { name: 'a' })).id
    await running.engine.files.put(caller, agent, 'large', bytes)
    await running.pack(caller, agent)
  })
  afterAll(async () => {
    await running.stop()
    await directory.remove()
  })
  // Another process each time, which remembers nothing.
  beforeEach(() => {
    files = running.another().files
    gets.length = 0
  })

  function counting(store: ObjectStore): ObjectStore {
    const getRange: ObjectStore['getRange'] = (key, from, length, options) => {
      gets.push({ key, length })
      return store.getRange(key, from, length, options)
    }
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'getRange') return getRange
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  const read = async (path: string, from: number, length: number): Promise<Buffer> =>
    bytesOf((await files.read(caller, agent, { path }, { range: { from, to: from + length - 1 } })).body)

  const ofParts = (): typeof gets => gets.filter(({ key }) => key.includes('/part/'))

  it('fetches the manifest once, and of one part its head and the chunks that hold the range', async () => {
    const from = 2 * MIB + 300_000
    expect((await read('large', from, 1_024)).equals(bytes.subarray(from, from + 1_024))).toBe(true)
    expect(gets).toHaveLength(3)
    expect(new Set(ofParts().map(({ key }) => key)).size).toBe(1)
    expect(ofParts().map(({ length }) => length)).toContain(KEY_BYTES)
    expect(ofParts().reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(
      CHUNKS_BYTES_MAX + KEY_BYTES,
    )
    gets.length = 0
    // Another place in the same part: its head is known.
    expect(
      (await read('large', from + 200_000, 1_024)).equals(bytes.subarray(from + 200_000, from + 201_024)),
    ).toBe(true)
    expect(gets).toHaveLength(1)
    gets.length = 0
    expect(
      (await read('large', from + 200_000, 512)).equals(bytes.subarray(from + 200_000, from + 200_512)),
    ).toBe(true)
    expect(gets).toHaveLength(0)
  })

  it('ranges that begin in one chunk and end in different ones are different bytes', async () => {
    // 16 KiB chunks: one chunk, then two from the same on.
    const from = 3 * MIB + 32_768
    expect((await read('large', from, 1_024)).equals(bytes.subarray(from, from + 1_024))).toBe(true)
    gets.length = 0
    expect((await read('large', from, 20_000)).equals(bytes.subarray(from, from + 20_000))).toBe(true)
    // Taken for the shorter one it would be damaged, and be fetched anew with its head.
    expect(gets).toHaveLength(1)
  })

  it('a range within a hole fetches nothing of any part, and a hole has no part', async () => {
    const { node } = await files.stat(caller, agent, { path: 'large' })
    const { version } = await files.stat(caller, agent, { path: 'large' })
    const size = 100 * MIB
    const extents = [
      { offset: 10, length: MIB, hole: true },
      { offset: size - 3, data: Buffer.from('end') },
    ] as const
    const write: Operation = {
      op: 'write',
      node,
      base: version,
      version: uuidv7(),
      size,
      extents: [...extents],
    }
    const request = { store: uuidv7(), number: 1, previous: null, operations: [write] }
    const digest = randomBytes(32).toString('hex')
    expect((await running.engine.sync.push(caller, agent, 0, request, digest)).results).toEqual([
      { status: 'applied' },
    ])
    await running.pack(caller, agent)
    gets.length = 0
    for (const from of [100, 50 * MIB]) {
      expect((await read('large', from, 4_096)).equals(Buffer.alloc(4_096))).toBe(true)
    }
    expect(ofParts()).toHaveLength(0)
    expect((await read('large', size - 4, 4)).toString('latin1')).toBe('\0end')
    expect((await read('large', 4, 8)).equals(Buffer.concat([bytes.subarray(4, 10), Buffer.alloc(2)]))).toBe(
      true,
    )
  })

  it('[SY-13] a file is composed of parts that went up under its own id, and of holes', async () => {
    const own = uuidv7()
    const part = uuidv7()
    const content = randomBytes(1_000)
    const request = { path: 'composed', node: own, size: MIB + 1_000, parts: [null, part] }
    await expect(files.compose(caller, agent, request)).rejects.toMatchObject({
      code: 'parts_missing',
      details: { node: own, parts: [part] },
    })
    const put = (node: string) => running.engine.sync.putPart(caller, agent, { node, part, data: content })
    await put(own)
    await expect(files.compose(caller, agent, { ...request, size: MIB + 999 })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    const { created, answer } = await files.compose(caller, agent, request, { createOnly: true })
    expect([created, answer.node, answer.number]).toEqual([true, own, 1])
    const whole = await bytesOf((await files.read(caller, agent, { path: 'composed' })).body)
    expect(whole.equals(Buffer.concat([Buffer.alloc(MIB), content]))).toBe(true)
    await expect(files.compose(caller, agent, request, { createOnly: true })).rejects.toMatchObject({
      code: 'version_conflict',
    })
  })

  it('[ENC-3] parts that went up under another id are not taken: erasing the file would leave their key', async () => {
    const part = uuidv7()
    await running.engine.sync.putPart(caller, agent, { node: uuidv7(), part, data: randomBytes(10) })
    const request = { path: 'foreign', node: uuidv7(), size: 10, parts: [part] }
    await expect(files.compose(caller, agent, request)).rejects.toMatchObject({
      code: 'parts_missing',
      details: { parts: [part] },
    })
  })
})
