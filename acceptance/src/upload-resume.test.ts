import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { AgentHandle, BegunPart, UploadStore } from '@agentfs/sdk'
import { startFaultProxy, waitFor, type FaultProxy } from '@agentfs/testkit'
import type { Machine } from './harness/machine.js'
import { Site } from './harness/site.js'

const MIB = 1_048_576
const PARTS = 12
/** Parts that go through before everything stands still. */
const THROUGH = 5
const LIMIT_MS = 150_000

let site: Site
let proxy: FaultProxy
beforeAll(async () => {
  site = await Site.start('resume')
  proxy = await startFaultProxy(site.service.url)
})
afterEach(() => site.tidy())
afterAll(async () => {
  await proxy?.close()
  await site?.stop()
})

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The parts that were sent, each as often as it was. */
function sentParts(): string[] {
  return proxy.requests.flatMap(({ method, path }) =>
    method === 'PUT' ? (/\/parts\/([0-9a-f-]{36})/.exec(path)?.[1] ?? []) : [],
  )
}

/** Lets some parts through, and has the service not even see those that come after them. */
function holdUpAfter(count: number): void {
  proxy.requests.length = 0
  proxy.rule = ({ path }) => {
    return { kind: path.includes('/parts/') && sentParts().length > count ? 'hang' : 'pass' }
  }
}

function letThrough(): void {
  proxy.requests.length = 0
  proxy.rule = () => ({ kind: 'pass' })
}

/** The parts that were let through, once they have arrived and others are held up. */
async function arrived(agent: AgentHandle): Promise<string[]> {
  await waitFor(() => sentParts().length > THROUGH, { deadlineMs: 30_000, what: 'parts that are held up' })
  const through = sentParts().slice(0, THROUGH)
  await waitFor(async () => (await agent.sync.missingParts(through)).length === 0, {
    deadlineMs: 30_000,
    what: 'the parts before them',
  })
  return through
}

describe('`put` of a large file', () => {
  let agent: AgentHandle
  let machine: Machine
  let source: string
  let bytes: Buffer

  /** As if at one and the same time whenever it is written. */
  async function writeSource(): Promise<void> {
    await writeFile(source, bytes)
    await utimes(source, 1_000, 1_000)
  }

  async function interrupted(name: string): Promise<string[]> {
    await site.client.createAgent({ name })
    agent = site.client.agent(name)
    machine = site.machine(name, name, proxy.url)
    source = join(machine.home, 'large.bin')
    bytes = randomBytes(PARTS * MIB + 5)
    await mkdir(machine.home, { recursive: true })
    await writeSource()
    holdUpAfter(THROUGH)
    const running = machine.start(['put', source, 'large.bin'])
    const before = await arrived(agent)
    await running.end('SIGKILL')
    return before
  }

  const states = async (): Promise<string[]> => {
    const directory = join(machine.home, '.local/state/agentfs/uploads')
    return (await readdir(directory)).map((name) => join(directory, name))
  }

  async function putAgain(): Promise<string> {
    letThrough()
    const done = await machine.cli(['put', source, 'large.bin'], { limitMs: LIMIT_MS })
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('large.bin v1')])
    const stored = await agent.files.read('large.bin', { timeoutMs: LIMIT_MS })
    expect(sha256(stored.bytes)).toBe(sha256(await readFile(source)))
    return done.stderr
  }

  it(
    '[SY-13] goes on after kill -9: what had arrived is not sent again',
    async () => {
      const before = await interrupted('killed')
      const [state = ''] = await states()
      expect((await stat(state)).mode & 0o777).toBe(0o600)
      expect(await readFile(state, 'utf8')).not.toContain(site.key)
      expect(await putAgain()).toContain('large.bin: resuming at 5.0 MB of 12 MB')
      expect(sentParts()).toHaveLength(PARTS + 1 - THROUGH)
      expect(sentParts().filter((part) => before.includes(part))).toEqual([])
      expect(await states()).toEqual([])
    },
    LIMIT_MS,
  )

  it(
    'starts over where the source was changed',
    async () => {
      await interrupted('changed')
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
      await writeFile(source, bytes)
      expect(await putAgain()).not.toContain('resuming')
      expect(sentParts()).toHaveLength(PARTS + 1)
    },
    LIMIT_MS,
  )

  it(
    'sends a part that is not as it was, though the time and the size of the source are',
    async () => {
      await interrupted('disguised')
      bytes.writeUInt8(bytes.readUInt8(MIB) ^ 1, MIB)
      await writeSource()
      expect(await putAgain()).toContain('resuming at 5.0 MB of 12 MB')
      expect(sentParts()).toHaveLength(PARTS + 1 - THROUGH + 1)
    },
    LIMIT_MS,
  )

  it(
    'makes a file anew that was made, deleted, and is still written down as begun',
    async () => {
      await interrupted('deleted')
      const [state = ''] = await states()
      const begun = await readFile(state)
      await putAgain()
      await agent.files.remove('large.bin')
      await writeFile(state, begun)
      expect(await putAgain()).not.toContain('resuming')
    },
    LIMIT_MS,
  )
})

describe('the SDK, with a store for what it sent', () => {
  it(
    'sends again what the service has dropped, and forgets all when the file is there',
    async () => {
      await site.client.createAgent({ name: 'dropped' })
      const agent = site.client.agent('dropped')
      const bytes = randomBytes(3 * MIB)
      const kept: BegunPart[] = []
      const store: UploadStore = {
        load: async () => [...kept],
        save: async (part) => void kept.push(part),
        clear: async () => void kept.splice(0),
      }
      const stop = new AbortController()
      const upload = agent.files.upload('x.bin', bytes, {
        resume: store,
        parallel: 1,
        signal: stop.signal,
        onProgress: (progress) => void (progress.bytes === 2 * MIB && stop.abort(new Error('enough'))),
      })
      await expect(upload).rejects.toThrow('enough')
      expect(kept).toHaveLength(2)
      // As if one had expired: an id that the service does not know.
      kept[0] = { ...(kept[0] as BegunPart), part: '01890000-0000-7000-8000-000000000000' }
      const resumed: number[] = []
      await agent.files.upload('x.bin', bytes, {
        resume: store,
        onResume: (progress) => void resumed.push(progress.bytes),
      })
      expect(resumed).toEqual([MIB])
      expect(kept).toEqual([])
      expect(sha256((await agent.files.read('x.bin')).bytes)).toBe(sha256(bytes))
    },
    LIMIT_MS,
  )
})

describe('a mount that is killed while it pushes a large file', () => {
  it(
    '[SY-13] goes on with what is left: what had arrived is not sent again',
    async () => {
      await site.client.createAgent({ name: 'mounted' })
      const agent = site.client.agent('mounted')
      const machine = site.machine('mounted', 'mounted', proxy.url)
      letThrough()
      const first = await machine.mount()
      holdUpAfter(THROUGH)
      await first.output(`head -c ${PARTS * MIB} /dev/urandom > large.bin`)
      const before = await arrived(agent)
      const expected = (await first.output('sha256sum large.bin')).split(' ')[0]
      await first.kill()
      letThrough()
      const second = await machine.mount()
      const synced = await machine.cli(['sync', second.directory, '--timeout', '60'], { limitMs: LIMIT_MS })
      expect(synced.code).toBe(0)
      expect(sentParts().length).toBeGreaterThan(0)
      expect(sentParts().filter((part) => before.includes(part))).toEqual([])
      const stored = await agent.files.read('large.bin', { timeoutMs: LIMIT_MS })
      expect(sha256(stored.bytes)).toBe(expected)
    },
    LIMIT_MS,
  )
})
