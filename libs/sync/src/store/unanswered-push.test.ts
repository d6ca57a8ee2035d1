import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

describe('a push without its answer', () => {
  it('[DUR-4] leaves everything in the journal, over a restart too, until the answer came', () => {
    fixture.put('a', 'one')
    fixture.put('b', 'two')
    const { entries } = fixture.store.status().journal
    const sent = fixture.store.freezePush(LIMITS)
    expect(fixture.store.status().journal.entries).toBe(entries)
    fixture.reopen()
    expect(fixture.store.status()).toMatchObject({ journal: { entries }, pushInFlight: sent?.number })
    expect(fixture.store.journaledPaths()).toEqual(['a', 'b'])
    expect([fixture.textAt('a'), fixture.textAt('b')]).toEqual(['one', 'two'])
    fixture.push(service)
    expect(fixture.store.status().journal.entries).toBe(0)
    expect([service.contentAt('a'), service.contentAt('b')]).toEqual(['one', 'two'])
  })

  it('[DUR-8] is named for what it waits with, a change of the root itself included', () => {
    fixture.store.setAttributes(1, { mode: 0o700 })
    expect(fixture.store.status().journal.entries).toBe(1)
    expect(fixture.store.journaledPaths()).toEqual(['/'])
  })

  it('[DUR-5] keeps its bytes where the service refuses it after a restart', () => {
    fixture.put('a', 'not to be lost')
    fixture.store.freezePush(LIMITS)
    fixture.reopen().rejectPush('forbidden', 'no')
    const kept = fixture.store.rejectedItems().map(({ id }) => fixture.store.readRejected(id))
    expect(kept.map((bytes) => Buffer.from(bytes ?? []).toString())).toContain('not to be lost')
  })

  it('[SY-8] takes nothing more in: what is written meanwhile is in the next push, and arrives', () => {
    const ino = fixture.put('a', 'one')
    const sent = fixture.store.freezePush(LIMITS)
    fixture.store.write(ino, 0, Buffer.from('two'))
    fixture.store.write(ino, 3, Buffer.from(' and more'))
    expect(fixture.store.freezePush(LIMITS)?.digest).toBe(sent?.digest)
    fixture.push(service)
    expect(service.contentAt('a')).toBe('one')
    expect(fixture.store.status().journal.entries).toBeGreaterThan(0)
    expect(fixture.textAt('a')).toBe('two and more')
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('two and more')
  })
})
