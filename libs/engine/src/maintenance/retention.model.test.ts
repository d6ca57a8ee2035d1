import { randomUUID } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Caller } from '../caller.js'
import { Collector } from '../followers/collector.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import type { Chore } from './chore.js'
import { CompactChore } from './compact-chore.js'
import { RetainChore } from './retain-chore.js'
import { expectSoundObjects, objectSums } from './stored-objects.contract.js'

const DAY_MS = 86_400_000

interface ModelVersion {
  readonly id: string
  readonly number: number
  readonly at: number
  readonly text: string
}
interface ModelFile {
  readonly node: string
  readonly path: string
  versions: ModelVersion[]
  deletedAt: number | undefined
}
type Step =
  | { readonly do: 'put' | 'append'; readonly path: string; readonly text: string }
  | { readonly do: 'delete'; readonly path: string }
  | { readonly do: 'restore'; readonly path: string; readonly pick: number }
  | { readonly do: 'wait'; readonly hours: number }
  | { readonly do: 'pack' | 'retain' | 'compact' | 'collect' }

const path = fc.constantFrom('a', 'b', 'c')
const text = fc.string({ minLength: 1, maxLength: 40 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'append' as const), path, text }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), path, pick: fc.nat(9) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), hours: fc.constantFrom(1, 7, 30, 400, 4_000) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('pack', 'retain', 'compact', 'collect'),
    }) as fc.Arbitrary<Step>,
  },
)

/** What the defaults keep of a file, said as a person would. */
function kept(file: ModelFile, now: number): ModelVersion[] {
  if (file.deletedAt !== undefined && file.deletedAt < now - 30 * DAY_MS) return []
  return file.versions.filter((version, index) => {
    const next = file.versions[index + 1]
    if (next === undefined || next.at >= now - 30 * DAY_MS) return true
    return next.at >= now - 365 * DAY_MS && dayOf(version.at) !== dayOf(next.at)
  })
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}

describe('retention and compaction against a reference model', () => {
  let nowMs = Date.UTC(2027, 0, 1)
  let running: RunningEngine
  let caller: Caller
  let scope: TenantScope
  let chores: Record<'retain' | 'compact', Chore>

  beforeAll(async () => {
    const clock = { now: () => nowMs }
    running = await startEngine({}, { clock })
    caller = (await newTenant(running.engine)).caller
    ;({ scope } = caller.principal)
    const options = { database: running.database, resources: running.resources, clock }
    chores = {
      retain: new RetainChore(options),
      compact: new CompactChore({ ...options, bytesPerSecond: Infinity }),
    }
  })
  afterAll(() => running.stop())

  async function toEnd(chore: Chore, agentId: string | null): Promise<void> {
    let resume: string | null = null
    do ({ resume } = await chore.step(scope, { agentId, dryRun: false, resume }))
    while (resume !== null)
  }

  async function collect(): Promise<void> {
    const collector = new Collector({ ...running, clock: { now: () => nowMs } })
    await collector.collectObjects(scope)
  }

  it('[DUR-1] keeps every version that the policy keeps, byte for byte, and what nothing needs goes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
        const agent = `m-${randomUUID().slice(0, 8)}`
        const { id: agentId } = await running.engine.agents.create(caller, { name: agent })
        const files: ModelFile[] = []
        for (const action of steps) {
          nowMs += 60_000
          await carryOut(agent, agentId, action, files)
        }
        // Everything at its end: stored, pruned, compacted, and dead objects past their grace time.
        await running.pack(caller, agentId)
        await retain(agentId, files)
        await toEnd(chores.compact, agentId)
        await expectModel(agent, files)
        await expectSoundObjects(running.database, scope)
        nowMs += 15 * DAY_MS
        await collect()
        await expectModel(agent, files)
        await expectNoOrphans()
      }),
      { numRuns: 10 },
    )
  }, 300_000)

  async function retain(agentId: string, files: readonly ModelFile[]): Promise<void> {
    await toEnd(chores.retain, agentId)
    for (const file of files) file.versions = kept(file, nowMs)
  }

  async function carryOut(agent: string, agentId: string, action: Step, files: ModelFile[]): Promise<void> {
    const engine = running.engine.files
    switch (action.do) {
      case 'wait':
        nowMs += action.hours * 3_600_000
        return
      case 'pack':
        return running.pack(caller, agentId)
      case 'retain':
        // What waits in the database is not looked at before it is stored.
        await running.pack(caller, agentId)
        return retain(agentId, files)
      case 'compact':
        return toEnd(chores.compact, agentId)
      case 'collect':
        return collect()
      case 'put':
      case 'append': {
        const file = standing(files, action.path)
        const before = action.do === 'append' ? (file?.versions.at(-1)?.text ?? '') : ''
        const data = Buffer.from(action.text)
        const answer =
          action.do === 'put'
            ? (await engine.put(caller, agent, action.path, data)).answer
            : await engine.append(caller, agent, action.path, data)
        note(files, file, action.path, answer, before + action.text)
        return
      }
      case 'delete': {
        const file = standing(files, action.path)
        if (file === undefined) return
        await engine.delete(caller, agent, action.path)
        file.deletedAt = nowMs
        return
      }
      case 'restore': {
        const file = files.findLast((candidate) => candidate.path === action.path)
        const chosen = file?.versions[action.pick % Math.max(1, file.versions.length)]
        if (file === undefined || chosen === undefined) return
        const request = { path: action.path, version: chosen.id }
        note(files, file, action.path, await engine.restore(caller, agent, request), chosen.text)
        file.deletedAt = undefined
      }
    }
  }

  function note(
    files: ModelFile[],
    file: ModelFile | undefined,
    at: string,
    answer: { readonly node: string; readonly version: string | null; readonly number: number },
    content: string,
  ): void {
    const { node, version, number } = answer
    if (version === null || file?.versions.at(-1)?.id === version) return
    const made = { id: version, number, at: nowMs, text: content }
    if (file === undefined) files.push({ node, path: at, versions: [made], deletedAt: undefined })
    else file.versions.push(made)
  }

  function standing(files: readonly ModelFile[], at: string): ModelFile | undefined {
    return files.find((file) => file.path === at && file.deletedAt === undefined)
  }

  async function expectModel(agent: string, files: readonly ModelFile[]): Promise<void> {
    // Another process, so that nothing is answered from memory.
    const reader = running.another().files
    for (const { node, versions } of files) {
      const listed = await reader
        .versions(caller, agent, { node }, { limit: 1_000 })
        .then(({ data }) => data.map(({ version }) => version))
        .catch((error: unknown) => {
          if (isAgentfsError(error, 'not_found')) return []
          throw error
        })
      expect(listed.toReversed()).toEqual(versions.map(({ id }) => id))
      for (const version of versions) {
        const { body } = await reader.read(caller, agent, { node }, { version: version.id })
        expect(await textOf(body)).toBe(version.text)
      }
    }
  }

  async function expectNoOrphans(): Promise<void> {
    const live = (await objectSums(running.database, scope)).filter(({ state }) => state === 'live')
    const stored: string[] = []
    for await (const { key } of running.objectStore.list(`service/tenants/${scope.tenantId}/`))
      stored.push(key)
    const known = live.map(({ objectKey }) => `service/${objectKey}`)
    expect(stored.filter((key) => /\/(seg|part)\//.test(key)).sort()).toEqual(
      known.filter((key) => /\/(seg|part)\//.test(key)).sort(),
    )
  }
})
