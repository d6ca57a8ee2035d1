import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Operation, PushRequest } from '@agentfs/contracts'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { decode } from './row-codec.js'

const MIB = 1_048_576

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

function lastOperation(): Operation | undefined {
  const push = fixture.store.freezePush(LIMITS)
  return push === null ? undefined : (decode(push.bytes) as PushRequest).operations.at(-1)
}

const both = (ino: number, offset: number): (number | undefined)[] => [
  fixture.store.seek(ino, offset, 'data'),
  fixture.store.seek(ino, offset, 'hole'),
]

describe('sparse files [FS-1]', () => {
  it('a hole reads as zeros, in what was written here and in what the service has, and costs nothing', () => {
    const ino = fixture.put('a', 'abcdefghij')
    const before = fixture.store.status().journal.bytes
    fixture.store.punchHole(ino, 2, 3)
    expect(fixture.text(ino)).toBe('ab\0\0\0fghij')
    expect(fixture.store.status().journal.bytes - before).toBeLessThan(300)
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('ab\0\0\0fghij')
    fixture.store.punchHole(ino, 8, 100)
    expect(fixture.text(ino, service)).toBe('ab\0\0\0fgh\0\0')
    expect(lastOperation()).toMatchObject({ op: 'write', extents: [{ offset: 8, length: 2, hole: true }] })
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('ab\0\0\0fgh\0\0')
    expect(fixture.text(ino, service)).toBe('ab\0\0\0fgh\0\0')
  })

  it('what is written into a hole shows, the rest of it stays a hole, after opening the store again too', () => {
    const ino = fixture.put('a', 'abcdefghij')
    fixture.sync(service)
    fixture.store.punchHole(ino, 1, 8)
    fixture.store.write(ino, 4, Buffer.from('XY'))
    expect(fixture.text(ino, service)).toBe('a\0\0\0XY\0\0\0j')
    fixture.reopen()
    expect(fixture.text(ino, service)).toBe('a\0\0\0XY\0\0\0j')
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('a\0\0\0XY\0\0\0j')
  })

  it('a file cut below a hole and grown again shows zeros, and a save by rename keeps the holes of what it saves', () => {
    const ino = fixture.put('a', 'abcdefghij')
    fixture.store.punchHole(ino, 1, 8)
    fixture.store.truncate(ino, 4)
    fixture.store.truncate(ino, 6)
    expect(fixture.text(ino)).toBe('a\0\0\0\0\0')
    fixture.put('notes.md', 'old')
    fixture.sync(service)
    const saved = fixture.put('tmp', 'abcdefghij')
    fixture.store.punchHole(saved, 1, 8)
    fixture.store.rename(1, 'tmp', 1, 'notes.md', 'none')
    fixture.sync(service)
    expect(service.contentAt('notes.md')).toBe('a\0\0\0\0\0\0\0\0j')
    expect(service.contentAt('a')).toBe('a\0\0\0\0\0')
  })

  it('SEEK_DATA and SEEK_HOLE find the runs of a file, and its end', () => {
    const { ino } = fixture.store.create(1, 'a', { kind: 'file', mode: 0o644, uid: 0, gid: 0 })
    fixture.store.truncate(ino, 100 * MIB)
    fixture.store.write(ino, 10 * MIB, Buffer.alloc(MIB, 1))
    expect(fixture.store.status().journal.bytes).toBeLessThan(MIB + 4_096)
    expect(both(ino, 0)).toEqual([10 * MIB, 0])
    expect(both(ino, 10 * MIB + 5)).toEqual([10 * MIB + 5, 11 * MIB])
    expect(both(ino, 11 * MIB)).toEqual([undefined, 11 * MIB])
    expect(both(ino, 100 * MIB)).toEqual([undefined, undefined])
    fixture.store.punchHole(ino, 10 * MIB, 4_096)
    expect(both(ino, 0)).toEqual([10 * MIB + 4_096, 0])
  })

  it('a file that is open without a name can be punched too', () => {
    const ino = fixture.put('a', 'abcdef')
    fixture.store.open(ino)
    fixture.store.unlink(1, 'a')
    fixture.store.punchHole(ino, 1, 2)
    expect(fixture.text(ino)).toBe('a\0\0def')
    fixture.store.release(ino)
  })
})
