import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'

const BASE = 'based on what is here '

let service: ReferenceService
let here: StoreFixture
let there: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  here = new StoreFixture()
  there = new StoreFixture()
  for (const fixture of [here, there]) fixture.snapshot(service)
})

afterEach(() => {
  here.remove()
  there.remove()
})

/** A write in the middle of a file that the service refuses: its content is the base's, and a few bytes. */
function refuseWrite(): void {
  const ino = here.put('a', BASE)
  here.sync(service)
  there.follow(service)
  service.veto = ({ op }) => (op === 'write' ? 'quota_exceeded' : undefined)
  here.store.write(ino, BASE.length, Buffer.from('refused'))
  here.sync(service)
  service.veto = () => undefined
  expect(rejected()).toEqual([`${BASE}refused`])
}

function rejected(): string[] {
  return here.store.rejectedItems().map(({ id }) => {
    return Buffer.from(here.store.readRejected(id) ?? 'it is not here').toString()
  })
}

describe('what was refused stays readable [DUR-5]', () => {
  it('after somebody else wrote the file anew', () => {
    refuseWrite()
    there.store.truncate(there.store.resolvePath(['a']) ?? 0, 0)
    there.sync(service)
    here.follow(service)
    expect(rejected()).toEqual([`${BASE}refused`])
    here.reopen()
    expect(rejected()).toEqual([`${BASE}refused`])
  })

  it('after this client wrote the file anew, or a part of it', () => {
    refuseWrite()
    const ino = here.store.resolvePath(['a']) ?? 0
    here.store.setAttributes(ino, { mode: 0o600 })
    here.store.write(ino, BASE.length, Buffer.from('taken'))
    here.sync(service)
    expect(rejected()).toEqual([`${BASE}refused`])
    expect(here.textAt('a', service)).toBe(`${BASE}taken`)
  })

  it('after this client punched a hole elsewhere into a file of several blocks', () => {
    const block = 1_048_576
    const ino = here.put('large', '')
    here.store.write(ino, 0, Buffer.alloc(2 * block, 'x'))
    here.sync(service)
    service.veto = ({ op }) => (op === 'write' ? 'quota_exceeded' : undefined)
    here.store.write(ino, 0, Buffer.from('refused'))
    here.sync(service)
    service.veto = () => undefined
    here.store.punchHole(ino, 0, 10)
    here.sync(service)
    const [item] = here.store.rejectedItems()
    const kept = here.store.readRejected(item?.id ?? 0)
    expect(kept).toHaveLength(2 * block)
    expect(
      Buffer.from(kept ?? []).equals(
        Buffer.concat([Buffer.from('refused'), Buffer.alloc(2 * block - 7, 'x')]),
      ),
    ).toBe(true)
  })
})
