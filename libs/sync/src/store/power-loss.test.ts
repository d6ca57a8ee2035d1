import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'

/** As much as stands in a file of its own, which nothing has made survive. */
const LARGE = 'x'.repeat(200_000)

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

/** Opens again after the disk kept the log and lost the bytes of a file: the first that was written, or the last. */
function losePower(lost: 'first' | 'last'): void {
  fixture.store.close()
  const folder = join(fixture.folder, 'blobs')
  const ids = readdirSync(folder).map(Number)
  truncateSync(join(folder, String(lost === 'first' ? Math.min(...ids) : Math.max(...ids))), 0)
  fixture = new StoreFixture({ path: fixture.folder })
}

/** A file's content, long ones by their length. */
function shown(text: string | undefined): string | undefined {
  return text !== undefined && text.length > 100 ? `${text.length} bytes` : text
}

const contents = (): unknown[] => ['a', 'beside', 'after'].map((name) => shown(service.contentAt(name)))

describe('the end of power, nothing having been synced', () => {
  it.each([
    ['waits', false],
    ['is in a push that was sent', true],
  ])(
    '[DUR-2] a write whose bytes are gone is wholly absent, and keeps nothing else from going up, where it %s',
    (_title, sent) => {
      const ino = fixture.put('a', 'before')
      fixture.sync(service)
      fixture.put('beside', 'kept')
      fixture.store.write(ino, 0, Buffer.from(LARGE))
      if (sent) fixture.store.freezePush(LIMITS)
      losePower('first')
      expect(shown(fixture.textAt('a', service))).toBe('before')
      expect(fixture.store.rejectedItems()).toMatchObject([{ path: 'a', code: 'bytes_lost' }])
      fixture.put('after', 'goes on')
      fixture.sync(service)
      expect(fixture.store.status().journal.entries).toBe(0)
      expect(contents()).toEqual(['before', 'kept', 'goes on'])
      fixture.reopen()
      expect(fixture.store.rejectedItems()).toHaveLength(1)
    },
  )

  it('[DUR-4] a push whose bytes are gone is formed anew of what waits', () => {
    fixture.put('a', LARGE)
    fixture.store.freezePush(LIMITS)
    losePower('last')
    fixture.put('after', 'goes on')
    fixture.sync(service)
    expect(contents()).toEqual(['200000 bytes', undefined, 'goes on'])
    expect(fixture.store.rejectedItems()).toEqual([])
  })

  it('[DUR-7] what was built on it goes with it, and is never shown as bytes that are not there', () => {
    fixture.put('a', 'old')
    fixture.sync(service)
    fixture.put('tmp', LARGE)
    fixture.store.rename(1, 'tmp', 1, 'a', 'none')
    losePower('first')
    expect(shown(fixture.textAt('a', service))).toBe('old')
    const kept = fixture.store.rejectedItems().filter(({ size }) => size > 0)
    expect(kept.map(({ op }) => op)).toEqual(['replace', 'write'])
    for (const { id } of kept) expect(() => fixture.store.readRejected(id)).toThrow(/damaged/)
    fixture.sync(service)
    expect(contents()[0]).toBe('old')
  })

  it('[DUR-3] what was synced stays', () => {
    const ino = fixture.put('a', LARGE)
    fixture.store.fsync(ino)
    fixture.reopen()
    expect(shown(fixture.text(ino))).toBe('200000 bytes')
    expect(fixture.store.rejectedItems()).toEqual([])
  })
})
