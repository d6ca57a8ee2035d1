import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { MountedStore } from '../testing/mounted-store.js'

let here: MountedStore
let call: (operation: string, request: object) => string[]

beforeEach(() => {
  here = new MountedStore()
  ;({ call } = here.mount({ readOnly: false, mayWrite: true, waitForService: false, owner: null }))
})

afterEach(() => here.remove())

describe('the name of an extended attribute', () => {
  it('that is no UTF-8 is refused, rather than kept under one that others have too', () => {
    const set = (name: Buffer): string[] =>
      call('setxattr', { nodeid: here.standing, name, value: Buffer.from('v'), flags: 0 })
    const odd = [0xff, 0xfe].map((byte) => Buffer.from([...Buffer.from('user.'), byte]))
    for (const name of odd) {
      expect(set(name)).toEqual(['EINVAL'])
      expect(call('getxattr', { nodeid: here.standing, name, size: 0 })).toEqual(['ENODATA'])
      expect(call('removexattr', { nodeid: here.standing, name })).toEqual(['ENODATA'])
    }
    expect(set(Buffer.from('user.\uFFFD'))).toEqual(['ok'])
    for (const name of odd)
      expect(call('getxattr', { nodeid: here.standing, name, size: 0 })).toEqual(['ENODATA'])
    expect(here.store.listxattr(here.standing)).toEqual(['user.\uFFFD'])
  })
})
