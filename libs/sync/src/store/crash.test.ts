import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { crashContent } from '../testing/crash-writer.js'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'

// A process of its own needs the built code.
const WRITER = fileURLToPath(new URL('../../dist/testing/crash-writer.js', import.meta.url))
const ROUNDS = 10

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

/** Runs the writer until it told so many lines, kills it in the middle of whatever it does, answers what it told. */
async function killedWriter(first: number, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--no-warnings', WRITER, fixture.folder, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const told: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    told.push(line)
    if (told.length === lines) child.kill('SIGKILL')
  }
  await exited
  return told
}

describe('kill -9 [DUR-3, DUR-4]', () => {
  it(`${ROUNDS} times in the middle of writing: what returned is there, nothing is torn, a frozen push is resent identically`, async () => {
    let first = 1
    let frozen: string | undefined
    for (let round = 0; round < ROUNDS; round++) {
      fixture.store.close()
      const told = await killedWriter(first, 20 + Math.floor(Math.random() * 150))
      fixture.reopenAfterCrash()
      const { store } = fixture
      expect(store.status().journal.entries).toBeGreaterThan(0)
      const done = new Map<number, Set<string>>()
      for (const line of told) {
        const [what, of] = line.split(' ')
        if (what === 'frozen') frozen = of
        else done.set(Number(of), (done.get(Number(of)) ?? new Set()).add(what ?? ''))
      }
      for (const [turn, steps] of done) checkTurn(turn, steps)
      const push = store.freezePush(LIMITS)
      if (frozen !== undefined) expect(push?.digest).toBe(frozen)
      fixture.push(service)
      frozen = undefined
      first = Math.max(...done.keys()) + 10
    }
    fixture.sync(service)
    const fresh = new StoreFixture()
    fresh.snapshot(service)
    expect(fixture.store.treeHash()).toBe(fresh.store.treeHash())
    expect(fixture.rejected).toEqual([])
    fresh.remove()
  }, 120_000)
})

/** What returned is there; what was under way is there wholly or not at all. */
function checkTurn(turn: number, steps: ReadonlySet<string>): void {
  const renamed = fixture.store.lookup(1, `renamed-${turn}`)
  const shown = renamed ?? fixture.store.lookup(1, `file-${turn}`)
  expect(shown).toBeDefined()
  if (steps.has('renamed')) expect(renamed).toBeDefined()
  const small = crashContent(turn, 1_000)
  const grown = Buffer.concat([small, crashContent(turn + 1, 100_000)])
  const whole = [Buffer.alloc(0), small, grown]
  const least = steps.has('grown') ? 2 : steps.has('written') ? 1 : 0
  const read = fixture.store.read(shown?.ino ?? 0, 0, 200_000)
  if (read.kind !== 'bytes') throw new Error('content is missing')
  const found = whole.findIndex((content) => content.equals(Buffer.from(read.bytes)))
  expect(found).toBeGreaterThanOrEqual(least)
}
