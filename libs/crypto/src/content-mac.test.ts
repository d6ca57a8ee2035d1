import { expect, it } from '@jest/globals'
import { contentMac, contentMacKey, sameContentMac } from './content-mac.js'

const contentKey = Buffer.alloc(32, 1)
const text = Buffer.from('same bytes')

it('[ENC-1] equal bytes have equal keyed hashes under one content key, and unlike ones under another', () => {
  const mac = contentMac(contentMacKey(contentKey), text)
  expect(sameContentMac(mac, contentMac(contentMacKey(contentKey), Buffer.from(text)))).toBe(true)
  expect(sameContentMac(mac, contentMac(contentMacKey(contentKey), Buffer.from('other bytes')))).toBe(false)
  expect(sameContentMac(mac, contentMac(contentMacKey(Buffer.alloc(32, 2)), text))).toBe(false)
  expect(sameContentMac(mac, mac.subarray(1))).toBe(false)
})

it('refuses a content key of another length', () => {
  expect(() => contentMacKey(Buffer.alloc(31))).toThrow(RangeError)
})
