import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountedStore } from '../testing/mounted-store.js'
import type { MountCore } from './core.js'

const VIEW = { readOnly: false, mayWrite: true, waitForService: false, owner: null }
const O_RDWR = 0o2
const O_TRUNC = 0o1000
const MIB = 1_048_576
/** A sixteenth of it is kept for names and attributes, and as much may be one operation: it goes up in parts. */
const JOURNAL_BYTES = 32 * MIB
const LIMITS = { operationsMax: 100, bytesMax: 8 * MIB }

let here: MountedStore
let core: MountCore
let call: (operation: string, request: object) => string[]

beforeEach(() => {
  here = new MountedStore({ journalBytesMax: JOURNAL_BYTES })
  ;({ core, call } = here.mount(VIEW))
  core.backPressure.setOnline(true)
  fill()
})

afterEach(() => here.remove())

/** Writes as a program does by write(2), or as the kernel does for one that has the file mapped. */
function write(offset: number, length: number, fromPageCache = false): string[] {
  const request = { nodeid: here.standing, fh: 0, offset, data: Buffer.alloc(length, 'w') }
  return call('write', { ...request, fromPageCache, killSuidgid: false })
}

/** Leaves 4 MiB less a few bytes, half of that the reserve. */
function fill(): void {
  for (let done = 0; done < 14; done++) write(done * 2 * MIB, 2 * MIB)
}

/** The first of what waits in the journal is refused, and what depends on it. */
function settle(): void {
  here.store.freezePush(LIMITS)
  here.store.rejectPush('quota_exceeded', 'no room')
}

describe('a writer that waits for room in the journal [FS-4]', () => {
  it('is answered once an acknowledgement made some', () => {
    const answers = write(0, 5 * MIB)
    expect(answers).toEqual([])
    settle()
    expect(answers).toEqual(['written'])
  })

  it('is let go where nothing goes up, however often that is tried', () => {
    const answers = write(0, 5 * MIB)
    const [part] = here.store.freezePush(LIMITS)?.parts ?? []
    here.store.readPart(part?.part ?? '')
    core.backPressure.look()
    expect(answers).toEqual([])
    here.store.readPart(part?.part ?? '')
    core.backPressure.look()
    expect(answers).toEqual(['ENOSPC'])
  })

  it('waits on while pushes are answered, though they have no parts', () => {
    settle()
    call('mkdir', { name: Buffer.from('d'), mode: 0o755 })
    here.store.freezePush(LIMITS)
    fill()
    const answers = write(0, 5 * MIB)
    here.store.rejectPush('quota_exceeded', 'no room')
    core.backPressure.look()
    expect(answers).toEqual([])
  })
})

describe('what the kernel writes out of a mapping, while there is no room', () => {
  it('does not come back after the file was cut to nothing', () => {
    const answers = write(0, 3 * MIB, true)
    expect(answers).toEqual([])
    expect(call('open', { nodeid: here.standing, flags: O_RDWR | O_TRUNC, killSuidgid: false })).toEqual([
      'opened',
    ])
    settle()
    expect(answers).toEqual(['written'])
    expect(here.store.attributes(here.standing).size).toBe(0)
  })

  it('[DUR-8] has its place in the journal when the mount is left, and a caller is told that it is', () => {
    const [called, mapped] = [write(0, 3 * MIB), write(0, 2 * MIB, true)]
    const room = here.store.journalRoom().bytes
    core.freeze()
    expect([called, mapped]).toEqual([['EROFS'], ['written']])
    expect(here.store.journalRoom().bytes).toBeLessThan(room)
    expect(write(0, MIB, true)).toEqual(['written'])
  })
})
