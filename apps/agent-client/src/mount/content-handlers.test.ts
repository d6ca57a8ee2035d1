import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountedStore } from '../testing/mounted-store.js'

const O_RDWR = 0o2
const O_TRUNC = 0o1000

let here: MountedStore
let call: (operation: string, request: object) => string[]

beforeEach(() => {
  here = new MountedStore()
  ;({ call } = here.mount({ readOnly: false, mayWrite: true, waitForService: false, owner: null }))
})

afterEach(() => here.remove())

describe('set-id bits [FS-1]', () => {
  it.each([
    ['open', { flags: O_RDWR | O_TRUNC }],
    ['create', { flags: O_RDWR | O_TRUNC, name: Buffer.from('standing'), mode: 0o644 }],
  ])('go with the content, where the kernel says so: %s', (operation, request) => {
    const ino = here.standing
    here.store.setAttributes(ino, { mode: 0o6755 })
    const nodeid = operation === 'open' ? { nodeid: ino } : {}
    call(operation, { ...nodeid, ...request, killSuidgid: false })
    expect(here.store.attributes(ino).mode).toBe(0o6755)
    call(operation, { ...nodeid, ...request, killSuidgid: true })
    expect(here.store.attributes(ino).mode).toBe(0o755)
  })
})
