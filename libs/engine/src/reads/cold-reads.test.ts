import { randomBytes, randomUUID } from 'node:crypto'
import { type ObjectStore, openObjectStore } from '@agentfs/storage'
import { loadServices, objectStoreUrl, type S3FaultProxy, startS3FaultProxy } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { CompactChore } from '../maintenance/compact-chore.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'

const service = loadServices().s3.versitygw

/** What a process that has nothing in memory asks of the object store to read files. */
describe('a cold read of a small file costs one GET', () => {
  const contents = new Map<string, Buffer>()
  const agent = 'cold'
  let proxy: S3FaultProxy
  let store: ObjectStore
  let running: RunningEngine
  let caller: Caller
  let agentId: string

  beforeAll(async () => {
    proxy = await startS3FaultProxy(service.endpoint, { seed: 1 })
    const url = new URL(objectStoreUrl(service, `cold-reads-${randomUUID()}`))
    url.searchParams.set('endpoint', proxy.url)
    store = await openObjectStore(url.href, service)
    running = await startEngine({}, { objectStore: store })
    caller = (await newTenant(running.engine)).caller
    ;({ id: agentId } = await running.engine.agents.create(caller, { name: agent }))
    // Rounds of 100 files make segments that no longer fit one guess; the ninth gives compaction something to merge.
    for (let round = 0; round < 9; round++) {
      const count = round === 0 ? 100 : 3
      for (let at = 0; at < count; at++) await write(`round-${round}/${at}.md`)
      // Some of the first are changed, so that their parts are of another segment than their neighbours'.
      if (round > 0) await write(`round-0/${round}.md`)
      await running.pack(caller, agentId)
    }
  }, 120_000)
  afterAll(async () => {
    await running.stop()
    await store.close()
    await proxy.close()
  })

  const write = async (path: string): Promise<void> => {
    const body = randomBytes(1_024)
    await running.engine.files.put(caller, agent, path, body, { parents: true })
    contents.set(path, body)
  }
  /** The GETs of each read, by an engine that has read nothing yet. */
  const getsOf = async (paths: readonly string[]): Promise<number[]> => {
    const fresh = running.another()
    const counts: number[] = []
    for (const path of paths) {
      proxy.forget()
      const { body } = await fresh.files.read(caller, agent, { path })
      expect((await bytesOf(body)).equals(contents.get(path) ?? Buffer.alloc(0))).toBe(true)
      counts.push(proxy.count('GET'))
    }
    return counts
  }
  const some = (): string[] => [...contents.keys()].filter((_, at) => at % 5 === 0 || at < 10)

  it('from the segment that the packer wrote, new and changed', async () => {
    const counts = await getsOf(some())
    expect(counts).toEqual(counts.map(() => 1))
  })

  it('and asks Postgres for its path, then for its version with parts and keys, and for nothing after that', async () => {
    const fresh = running.another()
    const [warming = '', path = ''] = some()
    await fresh.files.read(caller, agent, { path: warming })
    running.statements.clear()
    await fresh.files.read(caller, agent, { path })
    const asked = [...running.statements].filter((text) =>
      /from (entries|nodes|versions|parts|content_keys)\b/.test(text),
    )
    expect(asked).toEqual([
      expect.stringContaining('recursive walk'),
      expect.stringContaining('prefix_of'),
      expect.stringContaining('part_ids'),
    ])
  })

  it('where many read the same file at once, once for all', async () => {
    const fresh = running.another()
    const [path = ''] = some()
    proxy.forget()
    await Promise.all(Array.from({ length: 16 }, () => fresh.files.read(caller, agent, { path })))
    expect(proxy.count('GET')).toBe(1)
  })

  it('and a whole folder that a mount fetches ahead costs a few', async () => {
    const items = await itemsOf()
    proxy.forget()
    const { items: answered } = await running
      .another()
      .sync.contents(caller, agent, { items, reason: 'prefetch' })
    expect(answered).toHaveLength(items.length)
    expect(proxy.count('GET')).toBeLessThanOrEqual(9)
  })

  it('from a compacted segment too', async () => {
    const { database, resources } = running
    const compact = new CompactChore({ database, resources, bytesPerSecond: Infinity })
    let rewritten = 0
    let resume: string | null = null
    do {
      const step = await compact.step(caller.principal.scope, { agentId, dryRun: false, resume })
      rewritten += step.counts['segmentsRewritten'] ?? 0
      ;({ resume } = step)
    } while (resume !== null)
    expect(rewritten).toBeGreaterThanOrEqual(8)
    const counts = await getsOf(some())
    expect(counts).toEqual(counts.map(() => 1))
  })

  const itemsOf = async (): Promise<{ node: string; version: string }[]> => {
    const items: { node: string; version: string }[] = []
    for (const path of contents.keys()) {
      const { node, version } = await running.engine.files.stat(caller, agent, { path })
      items.push({ node, version: version ?? '' })
    }
    return items
  }
})
