import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { isStoreError } from './store-error.js'

const MIB = 1_048_576
const JOURNAL_MIB = 32
/** A sixteenth of the journal. */
const PUSH_MIB = 2

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture({ journalBytesMax: JOURNAL_MIB * MIB, cacheBytesMax: 4 * MIB })
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

const block = (index: number): Buffer => Buffer.alloc(MIB / 2, `block ${index}. `)

describe('a file larger than the journal', () => {
  it('[DUR-4] passes through it: a push carries a share of the journal, and what is acknowledged leaves it', () => {
    const ino = fixture.put('large', '')
    const sum = createHash('sha256')
    let most = 0
    for (let index = 0; index < 3 * JOURNAL_MIB; index++) {
      while (fixture.store.journalRoom().bytes < 2 * MIB) {
        const before = fixture.store.journalRoom().bytes
        expect(fixture.push(service)).toBe(true)
        expect(fixture.store.journalRoom().bytes).toBeGreaterThan(before)
      }
      fixture.store.write(ino, (index * MIB) / 2, block(index))
      sum.update(block(index))
      most = Math.max(most, fixture.store.status().journal.bytes)
    }
    expect(most).toBeGreaterThan((JOURNAL_MIB - 4) * MIB)
    for (;;) {
      const push = fixture.store.freezePush(LIMITS)
      if (push === null) break
      expect(push.parts.reduce((bytes, { length }) => bytes + length, 0)).toBeLessThanOrEqual(PUSH_MIB * MIB)
      fixture.push(service)
    }
    expect(fixture.store.status().journal.entries).toBe(0)
    const stored = createHash('sha256').update(service.contentAt('large') ?? '', 'utf8')
    expect(stored.digest('hex')).toBe(sum.digest('hex'))
  })

  it('[DUR-4] nothing of a push leaves the journal before its acknowledgement, and lost parts are sent again from it', () => {
    const ino = fixture.put('large', '')
    for (let index = 0; index < 8; index++) fixture.store.write(ino, (index * MIB) / 2, block(index))
    const { bytes } = fixture.store.journalRoom()
    const push = fixture.store.freezePush(LIMITS)
    for (const { part } of push?.parts ?? []) expect(fixture.store.readPart(part).length).toBeGreaterThan(0)
    expect(fixture.store.journalRoom()).toMatchObject({ bytes, progress: push?.parts.length })
    // All parts went up, and none is there: the push is answered parts_missing, and forms anew under other ids.
    const answer = service.push(push?.bytes ?? new Uint8Array(0))
    expect(answer.results.some(({ status }) => status === 'parts_missing')).toBe(true)
    fixture.store.settlePush(answer)
    expect(fixture.store.status().journal.entries).toBeGreaterThan(0)
    fixture.sync(service)
    expect(service.contentAt('large')).toBe(
      Array.from({ length: 8 }, (_, index) => block(index).toString('utf8')).join(''),
    )
  })

  it('[VIS-4] the bound holds for who does not wait: journal_full, and nothing of the write is kept', () => {
    const ino = fixture.put('large', '')
    let written = 0
    let failure: unknown
    while (failure === undefined) {
      try {
        fixture.store.write(ino, written, block(0))
        written += MIB / 2
      } catch (error) {
        failure = error
      }
    }
    expect(isStoreError(failure, 'journal_full')).toBe(true)
    expect(fixture.store.attributes(ino).size).toBe(written)
    expect(fixture.store.status().journal.bytes).toBeLessThanOrEqual(JOURNAL_MIB * MIB)
  })
})
