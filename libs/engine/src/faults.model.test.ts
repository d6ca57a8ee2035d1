import { randomUUID } from 'node:crypto'
import { isAgentfsError } from '@agentfs/contracts'
import { openObjectStore, type ObjectStore } from '@agentfs/storage'
import {
  EVERYDAY_S3_FAULTS,
  loadServices,
  newSeed,
  objectStoreUrl,
  type S3FaultProxy,
  seededRandom,
  startS3FaultProxy,
  testkitConfig,
} from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from './caller.js'
import { Collector } from './followers/collector.js'
import { type CrashPoint, CRASH_POINTS } from './followers/crash-points.js'
import { Packer } from './followers/packer.js'
import type { ChoreStep } from './maintenance/chore.js'
import { CompactChore } from './maintenance/compact-chore.js'
import { PrefixChore } from './maintenance/prefix-chore.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from './running-engine.contract.js'

const OPERATIONS = testkitConfig().modelOperations ?? 1_000
/** Half a second each, checks at the end included. */
const LIMIT_MS = Math.max(600_000, OPERATIONS * 500)
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const AGENT = 'tortured'
const LOG = 'log.md'

/** What was acknowledged: each path's content now, and every version ever made with the path it was made at. */
interface Acknowledged {
  readonly files: Map<string, { readonly bytes: Buffer; readonly node: string }>
  readonly versions: Map<string, { readonly bytes: Buffer; readonly node: string }>
}

/**
 * Random writes, with an object store that fails at every twentieth call, packers and chores that are killed at their
 * crash points, and a clock that jumps, against a model that only knows what was acknowledged.
 */
describe('[DUR-1] [DUR-2] random operations under faults', () => {
  const seed = testkitConfig().seed ?? newSeed()
  const random = seededRandom(seed)
  const below = (end: number): number => Math.floor(random() * end)
  const oneOf = <T>(list: readonly T[]): T | undefined => list[below(list.length)]
  const known: Acknowledged = { files: new Map(), versions: new Map() }
  const clock = { nowMs: Date.now(), now: (): number => clock.nowMs }
  const counts = new Map<string, number>()
  let proxy: S3FaultProxy
  let direct: ObjectStore
  let store: ObjectStore
  let running: RunningEngine
  let caller: Caller
  let agentId: string

  beforeAll(async () => {
    process.stderr.write(`${OPERATIONS} random operations under faults with AGENTFS_SEED=${seed}\n`)
    const service = loadServices().s3.versitygw
    const prefix = `torture-${randomUUID()}`
    proxy = await startS3FaultProxy(service.endpoint, { seed })
    const url = objectStoreUrl(service, prefix)
    const through = new URL(url)
    through.searchParams.set('endpoint', proxy.url)
    direct = await openObjectStore(url, service)
    store = await openObjectStore(through.href, service)
    running = await startEngine({}, { objectStore: store, clock })
    ;({ caller } = await newTenant(running.engine))
    agentId = (await running.engine.agents.create(caller, { name: AGENT })).id
  })
  afterAll(async () => {
    await running?.stop()
    await Promise.all([store?.close(), direct?.close()])
    await proxy?.close()
  })

  const newPath = (): string => `d${below(4)}/f${below(30)}.md`
  const newBytes = (): Buffer => {
    // Most small; now and then one that goes up in parts of its own.
    const size = random() < 0.03 ? 1_048_576 + below(1_500_000) : below(4_000)
    return Buffer.alloc(size, `${seed}/${below(1_000_000)}\n`)
  }

  async function put(path: string, bytes: Buffer): Promise<void> {
    const before = known.files.get(path)
    const { answer } = await running.engine.files.put(caller, AGENT, path, bytes, { parents: true })
    const node = before?.node ?? answer.node
    known.files.set(path, { bytes, node })
    if (answer.version !== null) known.versions.set(answer.version, { bytes, node })
  }

  async function append(path: string, bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return
    const before = known.files.get(path)
    const answer = await running.engine.files.append(caller, AGENT, path, bytes, { parents: true })
    const whole = Buffer.concat([before?.bytes ?? Buffer.alloc(0), bytes])
    const node = before?.node ?? answer.node
    known.files.set(path, { bytes: whole, node })
    if (answer.version !== null) known.versions.set(answer.version, { bytes: whole, node })
  }

  async function remove(path: string): Promise<void> {
    if (!known.files.has(path)) return
    await running.engine.files.delete(caller, AGENT, path, {})
    known.files.delete(path)
  }

  async function move(from: string, to: string): Promise<void> {
    const file = known.files.get(from)
    if (file === undefined || known.files.has(to) || from === to) return
    await running.engine.files.mkdir(caller, AGENT, { path: to.split('/')[0] ?? '', parents: true })
    await running.engine.files.move(caller, AGENT, { from, to })
    known.files.delete(from)
    known.files.set(to, file)
  }

  async function readOne(): Promise<void> {
    const path = oneOf([...known.files.keys()])
    const file = path === undefined ? undefined : known.files.get(path)
    if (path === undefined || file === undefined) return
    // Another process now and then, so that not everything is answered from memory.
    const engine = random() < 0.2 ? running.another() : running.engine
    const opened = await engine.files.read(caller, AGENT, { path })
    expect((await bytesOf(opened.body)).equals(file.bytes)).toBe(true)
  }

  async function pack(): Promise<void> {
    const { scope } = caller.principal
    const crash = random() < 0.3 ? oneOf(CRASH_POINTS) : undefined
    const { database, resources } = running
    const packer = new Packer({
      database,
      resources,
      clock,
      ...(crash === undefined
        ? {}
        : {
            crashPoints: (point) => {
              if (point === crash) throw new Killed()
            },
          }),
    })
    await packer.packStream(scope, random() < 0.8 ? agentId : scope.tenantId)
  }

  /** A line onto the one file that grows for long enough to be folded. */
  const grow = (): Promise<void> => append(LOG, Buffer.alloc(100, `${below(1_000_000)} of a log\n`))

  async function round(
    Chosen: typeof CompactChore | typeof PrefixChore,
    crash: CrashPoint | null = (random() < 0.3 ? oneOf(CRASH_POINTS) : undefined) ?? null,
  ): Promise<void> {
    const { database, resources } = running
    const crashPoints = (point: string): void => {
      if (point === crash) throw new Killed()
    }
    const chore = new Chosen({ database, resources, clock, crashPoints, bytesPerSecond: Infinity })
    const request = { agentId: null, dryRun: false }
    for (let resume: string | null = null; ;) {
      const step: ChoreStep = await chore.step(caller.principal.scope, { ...request, resume })
      for (const [what, times] of Object.entries(step.counts)) count(`${chore.name} ${what}`, times)
      ;({ resume } = step)
      if (resume === null) return
    }
  }

  async function collect(): Promise<void> {
    clock.nowMs += oneOf([HOUR_MS / 2, 2 * HOUR_MS, 8 * DAY_MS]) ?? 0
    const { database, resources } = running
    await new Collector({ database, resources, clock }).collectObjects(caller.principal.scope)
  }

  const STEPS: readonly {
    readonly name: string
    readonly weight: number
    readonly run: () => Promise<void>
  }[] = [
    { name: 'put', weight: 30, run: () => put(newPath(), newBytes()) },
    { name: 'append', weight: 20, run: () => append(newPath(), newBytes()) },
    { name: 'delete', weight: 6, run: () => remove(newPath()) },
    { name: 'move', weight: 8, run: () => move(newPath(), newPath()) },
    { name: 'read', weight: 15, run: readOne },
    { name: 'pack', weight: 25, run: pack },
    { name: 'grow', weight: 15, run: grow },
    { name: 'compact', weight: 2, run: () => round(CompactChore) },
    { name: 'prefixes', weight: 2, run: () => round(PrefixChore) },
    { name: 'collect', weight: 2, run: collect },
  ]

  function nextStep(): (typeof STEPS)[number] | undefined {
    let drawn = random() * STEPS.reduce((sum, { weight }) => sum + weight, 0)
    return STEPS.find(({ weight }) => (drawn -= weight) < 0)
  }

  it(
    `lose no acknowledged byte, tear nothing, and leave no orphan after the grace time`,
    async () => {
      proxy.behave({ rules: EVERYDAY_S3_FAULTS })
      for (let done = 0; done < OPERATIONS; done++) {
        const step = nextStep()
        clock.nowMs += below(2_000)
        try {
          await step?.run()
          count(`${step?.name} done`)
        } catch (error) {
          // A killed worker, or a store that failed at every try: refused, so nothing of it may be there.
          if (!(error instanceof Killed) && !isAgentfsError(error, 'unavailable')) throw error
          count(`${step?.name} ${error instanceof Killed ? 'killed' : 'refused'}`)
        }
      }
      process.stderr.write(`${JSON.stringify(Object.fromEntries(counts))}, ${proxy.injected()} faults\n`)
      expect(proxy.injected()).toBeGreaterThan(0)
      expect(counts.get('pack killed') ?? 0).toBeGreaterThan(0)

      proxy.behave({})
      await running.pack(caller, agentId)
      await running.pack(caller, caller.principal.scope.tenantId)
      clock.nowMs += 2 * HOUR_MS
      await round(PrefixChore, null)
      expect(counts.get('prefixes prefixes') ?? 0).toBeGreaterThan(0)
      await expectEverything()
      await expectNoOrphans()
      await expectEverything(200)
    },
    LIMIT_MS,
  )

  function count(what: string, times = 1): void {
    counts.set(what, (counts.get(what) ?? 0) + times)
  }

  /** The tree, the contents of its files, and every version, or so many of them. */
  async function expectEverything(versionsMax = known.versions.size): Promise<void> {
    const reader = running.another()
    const listed = new Map<string, string>()
    for (let cursor: string | undefined; ;) {
      const query = { path: '', depth: 64, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) }
      const { data, nextCursor } = await reader.files.tree(caller, AGENT, query)
      for (const { path, kind, node } of data) if (kind === 'file') listed.set(path, node)
      if (nextCursor === null) break
      cursor = nextCursor
    }
    expect([...listed.keys()].sort()).toEqual([...known.files.keys()].sort())
    for (const [path, { bytes, node }] of known.files) {
      expect(listed.get(path)).toBe(node)
      const opened = await reader.files.read(caller, AGENT, { path })
      expect((await bytesOf(opened.body)).equals(bytes)).toBe(true)
    }
    for (const [version, { bytes, node }] of [...known.versions].slice(0, versionsMax)) {
      const opened = await reader.files.read(caller, AGENT, { node }, { version })
      expect((await bytesOf(opened.body)).equals(bytes)).toBe(true)
    }
  }

  /** Two collections a week apart: what is in the bucket then is what live rows name, byte for byte as they say. */
  async function expectNoOrphans(): Promise<void> {
    const { database, resources } = running
    const { scope } = caller.principal
    const collector = new Collector({ database, resources, clock })
    clock.nowMs += 2 * DAY_MS
    await collector.collectObjects(scope)
    clock.nowMs += 8 * DAY_MS
    await collector.collectObjects(scope)
    const rows = await database.withTenant(
      scope,
      (tx) => tx.query<{ objectKey: string; size: number }>`
        select object_key, size from objects where tenant_id = ${tx.tenantId} and state = 'live' order by object_key`,
    )
    const found: { objectKey: string; size: number }[] = []
    for await (const { key, size } of direct.list(`service/tenants/${scope.tenantId}/`)) {
      found.push({ objectKey: key.slice('service/'.length), size })
    }
    expect(found).toEqual(rows.map(({ objectKey, size }) => ({ objectKey, size })))
  }
})

/** What a worker is killed with. */
class Killed extends Error {
  override readonly name = 'Killed'
}
