import { randomUUID } from 'node:crypto'
import { isAgentfsError } from '@agentfs/contracts'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

/** A file system as a person would write it down: paths, with a text for a file and null for a directory. */
type Model = Map<string, string | null>
type Step =
  | { readonly do: 'put' | 'append'; readonly path: string; readonly text: string }
  | { readonly do: 'delete' | 'mkdir'; readonly path: string }
  | { readonly do: 'move' | 'copy'; readonly from: string; readonly to: string }
  | { readonly do: 'pack' }

const path = fc
  .array(fc.constantFrom('a', 'b', 'c.md'), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'))
const text = fc.string({ maxLength: 12 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'append' as const), path, text }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'mkdir' as const), path }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('move' as const, 'copy' as const), from: path, to: path }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'pack' as const }) },
)

/** What a step makes of the model; undefined where it is refused. */
function expected(model: Model, action: Step): Model | undefined {
  const next = new Map(model)
  switch (action.do) {
    case 'pack':
      return next
    case 'put':
    case 'append': {
      const standing = model.get(action.path)
      if (standing === null || !isPlace(model, action.path)) return undefined
      if (action.do === 'append' && standing !== undefined && action.text === '') return undefined
      next.set(action.path, action.do === 'put' ? action.text : (standing ?? '') + action.text)
      return next
    }
    case 'mkdir':
      if (model.has(action.path) || !isPlace(model, action.path)) return undefined
      return next.set(action.path, null)
    case 'delete':
      if (!model.has(action.path)) return undefined
      for (const key of model.keys()) if (isWithin(key, action.path)) next.delete(key)
      return next
    case 'copy': {
      const content = model.get(action.from)
      if (typeof content !== 'string' || model.has(action.to) || !isPlace(model, action.to)) return undefined
      return next.set(action.to, content)
    }
    case 'move': {
      const { from, to } = action
      if (!model.has(from) || !isPlace(model, to)) return undefined
      if (from === to) return next
      if (model.has(to) || isWithin(to, from)) return undefined
      for (const [key, content] of model) {
        if (!isWithin(key, from)) continue
        next.delete(key)
        next.set(to + key.slice(from.length), content)
      }
      return next
    }
  }
}

function isPlace(model: Model, at: string): boolean {
  const parent = at.split('/').slice(0, -1).join('/')
  return parent === '' || model.get(parent) === null
}

function isWithin(key: string, top: string): boolean {
  return key === top || key.startsWith(`${top}/`)
}

describe('files against a reference model', () => {
  let running: RunningEngine
  let caller: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())

  async function carryOut(agent: string, agentId: string, action: Step): Promise<void> {
    const { files } = running.engine
    switch (action.do) {
      case 'pack':
        return running.pack(caller, agentId)
      case 'put':
        return void (await files.put(caller, agent, action.path, Buffer.from(action.text)))
      case 'append':
        return void (await files.append(caller, agent, action.path, Buffer.from(action.text)))
      case 'mkdir':
        return void (await files.mkdir(caller, agent, action))
      case 'delete':
        return void (await files.delete(caller, agent, action.path, { recursive: true }))
      case 'move':
        return void (await files.move(caller, agent, action))
      case 'copy':
        return void (await files.copy(caller, agent, action))
    }
  }

  it('[DUR-2] any steps leave the tree and the bytes that the model says, refused ones nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const name = `m-${randomUUID().slice(0, 8)}`
        const { id } = await running.engine.agents.create(caller, { name })
        let model: Model = new Map()
        for (const action of steps) {
          const next = expected(model, action)
          const failure = await carryOut(name, id, action).then(
            () => undefined,
            (error: unknown) => error,
          )
          if (next === undefined) {
            expect(isAgentfsError(failure)).toBe(true)
            expect(isAgentfsError(failure, 'internal')).toBe(false)
          } else {
            expect(failure).toBeUndefined()
            model = next
          }
        }
        expect(await treeOf(name)).toEqual(
          new Map([...model].sort(([left], [right]) => (left < right ? -1 : 1))),
        )
        expect(await followedTree(id)).toEqual([...model.keys()].sort())
      }),
      { numRuns: 12 },
    )
  }, 120_000)

  async function treeOf(agent: string): Promise<Model> {
    // Another process, so that nothing is answered from memory.
    const reader = running.another()
    const { data } = await reader.files.tree(caller, agent, { path: '', depth: 64, limit: 1_000 })
    const found: [string, string | null][] = []
    for (const stat of data) {
      const content =
        stat.kind === 'file'
          ? await textOf((await reader.files.read(caller, agent, { path: stat.path })).body)
          : null
      found.push([stat.path, content])
    }
    return new Map(found.sort(([left], [right]) => (left < right ? -1 : 1)))
  }

  /** The paths that a follower has who applied every commit in order. */
  async function followedTree(agentId: string): Promise<string[]> {
    const { root } = await running.engine.agents.get(caller, agentId)
    const { commits } = await running.engine.sync.changes(caller, agentId, {
      since: 0,
      epoch: 0,
      limit: 1_000,
    })
    expect(commits.map(({ seq }) => seq)).toEqual(commits.map((_, index) => index + 1))
    const names = new Map<string, { parent: string; name: string }>()
    const entries = new Map<string, string>()
    for (const { delta } of commits) {
      for (const { parent, name, node } of delta.entries) {
        const key = `${parent}/${name}`
        if (node === null) entries.delete(key)
        else {
          entries.set(key, node)
          names.set(node, { parent, name })
        }
      }
    }
    const pathOf = (node: string): string => {
      const entry = names.get(node)
      if (entry === undefined) throw new Error('a node without a name')
      return entry.parent === root ? entry.name : `${pathOf(entry.parent)}/${entry.name}`
    }
    return [...entries.values()].map(pathOf).sort()
  }
})
