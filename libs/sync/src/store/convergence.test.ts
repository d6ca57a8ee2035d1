import { describe, expect, it } from '@jest/globals'
import { isAgentfsError } from '@agentfs/contracts'
import fc from 'fast-check'
import { ReferenceService } from '../testing/reference-service.js'
import { KernelModel } from '../testing/kernel-model.js'
import { StoreFixture } from '../testing/store-fixture.js'
import { isStoreError } from './store-error.js'

/** 1,500 of each have passed; this many fit a test run. */
const RUNS = 60

/** One step of one side; names and directories are few, so that steps meet. */
type Step =
  | {
      readonly kind: 'create' | 'mkdir' | 'unlink' | 'rmdir' | 'fsync'
      readonly at: number
      readonly name: string
    }
  | {
      readonly kind: 'write'
      readonly at: number
      readonly name: string
      readonly offset: number
      readonly text: string
      readonly append: boolean
    }
  | { readonly kind: 'truncate'; readonly at: number; readonly name: string; readonly size: number }
  | {
      readonly kind: 'punch'
      readonly at: number
      readonly name: string
      readonly offset: number
      readonly size: number
    }
  | { readonly kind: 'chmod'; readonly at: number; readonly name: string; readonly mode: number }
  | {
      readonly kind: 'rename'
      readonly at: number
      readonly name: string
      readonly to: number
      readonly newName: string
      readonly exchange: boolean
    }
  | {
      readonly kind: 'link'
      readonly at: number
      readonly name: string
      readonly to: number
      readonly newName: string
    }
  | { readonly kind: 'freeze' | 'push' | 'follow' | 'reopen' | 'snapshot' }

const someName = fc.constantFrom('a', 'b', 'c')
const somewhere = fc.nat(3)
const someStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('create', 'unlink'), at: somewhere, name: someName }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('mkdir', 'rmdir', 'fsync'), at: somewhere, name: someName }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      at: somewhere,
      name: someName,
      offset: fc.nat(12),
      text: fc.string({ minLength: 1, maxLength: 6 }),
      append: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('truncate'), at: somewhere, name: someName, size: fc.nat(12) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('punch'),
      at: somewhere,
      name: someName,
      offset: fc.nat(8),
      size: fc.nat(6),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('chmod'),
      at: somewhere,
      name: someName,
      mode: fc.constantFrom(0o600, 0o644),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('rename'),
      at: somewhere,
      name: someName,
      to: somewhere,
      newName: someName,
      exchange: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('link'),
      at: somewhere,
      name: someName,
      to: somewhere,
      newName: someName,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('freeze', 'push', 'push', 'follow', 'follow', 'reopen', 'snapshot'),
    }),
  },
)

/** The directory a number means: the root, or one of the first few below it. */
function directory(fixture: StoreFixture, at: number): number {
  const directories = fixture.store.list(1).filter(({ kind }) => kind === 'directory')
  return directories[at - 1]?.ino ?? 1
}

function run(fixture: StoreFixture, service: ReferenceService, step: Step): void {
  const { store } = fixture
  switch (step.kind) {
    case 'freeze':
      fixture.send(service)
      return
    case 'push':
      fixture.push(service)
      return
    case 'follow':
      fixture.follow(service)
      return
    case 'reopen':
      fixture.reopen()
      return
    case 'snapshot':
      fixture.snapshot(service)
      return
    default:
  }
  const parent = directory(fixture, step.at)
  const child = store.lookup(parent, step.name)?.ino
  if (step.kind === 'create') fixture.put(step.name, '', parent)
  else if (step.kind === 'mkdir') fixture.mkdir(step.name, parent)
  else if (step.kind === 'unlink') store.unlink(parent, step.name)
  else if (step.kind === 'rmdir') store.rmdir(parent, step.name)
  else if (step.kind === 'rename') {
    store.rename(
      parent,
      step.name,
      directory(fixture, step.to),
      step.newName,
      step.exchange ? 'exchange' : 'none',
    )
  } else if (child !== undefined) runOnFile(fixture, child, step)
}

function runOnFile(fixture: StoreFixture, child: number, step: Step): void {
  const { store } = fixture
  if (step.kind === 'fsync') store.fsync(child)
  else if (step.kind === 'write')
    store.write(child, step.offset, Buffer.from(step.text), { append: step.append })
  else if (step.kind === 'truncate') store.truncate(child, step.size)
  else if (step.kind === 'punch') store.punchHole(child, step.offset, step.size)
  else if (step.kind === 'chmod') store.setAttributes(child, { mode: step.mode })
  else if (step.kind === 'link') store.link(child, directory(fixture, step.to), step.newName)
}

/** Every path with what it shows. */
function picture(fixture: StoreFixture, service: ReferenceService, ino = 1, path = ''): Map<string, string> {
  const shown = new Map<string, string>()
  for (const entry of fixture.store.list(ino)) {
    const at = `${path}/${entry.name}`
    if (entry.kind === 'directory') {
      shown.set(at, `directory ${fixture.store.attributes(entry.ino).links}`)
      for (const [below, what] of picture(fixture, service, entry.ino, at)) shown.set(below, what)
    } else {
      const { mode, links } = fixture.store.attributes(entry.ino)
      shown.set(at, `${mode} ${links} ${fixture.text(entry.ino, service)}`)
    }
  }
  return new Map([...shown].toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

describe('convergence', () => {
  it('[SY-19] whatever two clients do, once all are idle the trees, the contents and the service are equal', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), someStep), { maxLength: 60 }), (steps) => {
        const service = new ReferenceService()
        const sides = [new StoreFixture(), new StoreFixture()] as const
        const fresh = new StoreFixture()
        try {
          for (const side of sides) side.snapshot(service)
          for (const [second, what] of steps) {
            try {
              run(sides[second ? 1 : 0], service, what)
            } catch (error) {
              if (!isAgentfsError(error) && !isStoreError(error)) throw error
            }
          }
          for (const side of sides) {
            // What was kept up step by step is what the journal over the confirmed tree gives.
            const shown = picture(side, service)
            side.reopen()
            expect(picture(side, service)).toEqual(shown)
          }
          for (const side of [sides[0], sides[1], sides[0]]) side.sync(service)
          fresh.snapshot(service)
          const expected = picture(fresh, service)
          for (const side of sides) {
            expect(side.store.status().journal.entries).toBe(0)
            expect(picture(side, service)).toEqual(expected)
            expect(side.store.treeHash()).toBe(fresh.store.treeHash())
            side.reopen()
            expect(picture(side, service)).toEqual(expected)
          }
        } finally {
          for (const side of [...sides, fresh]) side.remove()
        }
      }),
      { numRuns: RUNS, endOnFailure: false },
    )
  }, 120_000)

  it('[SY-17] whatever arrives, what a kernel still has after the invalidations is what the store shows', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), someStep), { maxLength: 50 }), (steps) => {
        const service = new ReferenceService()
        const sides = [new StoreFixture(), new StoreFixture()] as const
        try {
          for (const side of sides) side.snapshot(service)
          for (const [second, what] of steps) {
            const side = sides[second ? 1 : 0]
            const isRemote = ['push', 'follow', 'snapshot'].includes(what.kind)
            const kernel = isRemote ? new KernelModel(side, service, ['a', 'b', 'c']) : undefined
            side.invalidations.length = 0
            try {
              run(side, service, what)
            } catch (error) {
              if (!isAgentfsError(error) && !isStoreError(error)) throw error
            }
            kernel?.apply(side.invalidations)
            expect(kernel?.stale(side, service) ?? []).toEqual([])
          }
        } finally {
          for (const side of sides) side.remove()
        }
      }),
      { numRuns: RUNS },
    )
  }, 120_000)

  it('[SY-14] a client alone: what it shows is what the service has, whenever it pushes', () => {
    fc.assert(
      fc.property(fc.array(someStep, { maxLength: 60 }), (steps) => {
        const service = new ReferenceService()
        const side = new StoreFixture()
        const fresh = new StoreFixture()
        try {
          side.snapshot(service)
          for (const what of steps) {
            try {
              run(side, service, what)
            } catch (error) {
              if (!isAgentfsError(error) && !isStoreError(error)) throw error
            }
          }
          const shown = picture(side, service)
          side.sync(service)
          expect(side.rejected).toEqual([])
          expect(picture(side, service)).toEqual(shown)
          fresh.snapshot(service)
          expect(picture(fresh, service)).toEqual(shown)
          expect(side.store.treeHash()).toBe(fresh.store.treeHash())
        } finally {
          side.remove()
          fresh.remove()
        }
      }),
      { numRuns: RUNS, endOnFailure: false },
    )
  }, 120_000)
})
