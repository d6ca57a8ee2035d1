import { describe, expect, it } from '@jest/globals'
import { isAgentfsError } from '@agentfs/contracts'
import fc from 'fast-check'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'

type Step = readonly [
  kind: 'create' | 'mkdir' | 'write' | 'unlink' | 'rmdir' | 'fsync' | 'chmod' | 'rename' | 'enter',
  name: string,
  other: string,
]

const someName = fc.constantFrom('a', 'b', 'c')
const someStep: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(
    'create',
    'create',
    'mkdir',
    'write',
    'unlink',
    'unlink',
    'rmdir',
    'fsync',
    'chmod',
    'rename',
    'rename',
    'rename',
    'enter',
  ),
  someName,
  someName,
)

/** One step in the directory of this name, or in the root; what POSIX refuses is passed over. */
function run(fixture: StoreFixture, [kind, name, other]: Step, turn: number): void {
  const { store } = fixture
  const ino = store.lookup(1, name)?.ino
  try {
    if (kind === 'create') fixture.put(name, `text ${turn}`)
    else if (kind === 'mkdir') fixture.mkdir(name)
    else if (kind === 'unlink') store.unlink(1, name)
    else if (kind === 'rmdir') store.rmdir(1, name)
    else if (kind === 'rename') store.rename(1, name, 1, other, 'none')
    else if (ino !== undefined) runOn(fixture, ino, [kind, name, other], turn)
  } catch (error) {
    if (!isAgentfsError(error)) throw error
  }
}

/** A step on what the name leads to. */
function runOn(fixture: StoreFixture, ino: number, [kind, , other]: Step, turn: number): void {
  const { store } = fixture
  if (kind === 'write') store.write(ino, 3, Buffer.from(`${turn}`))
  else if (kind === 'fsync') store.fsync(ino)
  else if (kind === 'chmod') store.setAttributes(ino, { mode: 0o600 + (turn % 8) })
  // A file moves into the directory, and out of it again at its next turn there.
  else if (store.lookup(ino, other) === undefined) store.rename(1, other, ino, other, 'none')
  else store.rename(ino, other, 1, other, 'noreplace')
}

function picture(fixture: StoreFixture, ino = 1): unknown {
  return fixture.store
    .list(ino)
    .toSorted((one, two) => (one.name < two.name ? -1 : 1))
    .map(({ name, ino: child, kind }) => {
      const { mode, links } = fixture.store.attributes(child)
      return [name, mode, links, kind === 'directory' ? picture(fixture, child) : fixture.text(child)]
    })
}

describe('folding [SY-14]', () => {
  it('one push of what waited gives the service what was shown, and nothing is refused', () => {
    fc.assert(
      fc.property(
        fc.array(someStep, { maxLength: 6 }),
        fc.array(someStep, { minLength: 2, maxLength: 25 }),
        (before, steps) => {
          const service = new ReferenceService()
          const [fixture, fresh] = [new StoreFixture(), new StoreFixture()]
          try {
            fixture.snapshot(service)
            for (const [turn, step] of before.entries()) run(fixture, step, turn)
            fixture.sync(service)
            for (const [turn, step] of steps.entries()) run(fixture, step, turn + 100)
            const shown = picture(fixture)
            const waiting = fixture.store.status().journal.entries
            fixture.push(service)
            expect(fixture.rejected).toEqual([])
            expect(picture(fixture)).toEqual(shown)
            fresh.snapshot(service)
            expect(fixture.store.treeHash()).toBe(fresh.store.treeHash())
            expect(fixture.store.status().journal.entries).toBeLessThanOrEqual(waiting)
          } finally {
            fixture.remove()
            fresh.remove()
          }
        },
      ),
      { numRuns: 120 },
    )
  }, 120_000)
})
