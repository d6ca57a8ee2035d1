import { createSecretKey, randomBytes } from 'node:crypto'
import { mintTenantScope } from '@agentfs/access'
import { freeBytes, uuidv7 } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import { describe, expect, it } from '@jest/globals'
import { OpenedParts } from './opened-parts.js'

const scope = mintTenantScope(uuidv7())
const newKey = () => createSecretKey(randomBytes(32))

function extentOf(bytes: Uint8Array): Extent {
  const mac = randomBytes(32)
  return { offset: 0, length: bytes.length, partId: uuidv7(), partOffset: 0, keyId: uuidv7(), mac }
}

describe('parts that are open', () => {
  it('[ENC-3] are there for the very key that opened them, and for no other', () => {
    const opened = new OpenedParts()
    const [key, bytes] = [newKey(), randomBytes(100)]
    const extent = extentOf(bytes)
    opened.set(scope, extent, key, bytes)
    expect(opened.get(scope, extent, key)?.equals(bytes)).toBe(true)
    // The same bytes, as after the end of a lease: the KMS was asked in between.
    expect(opened.get(scope, extent, createSecretKey(key.export()))).toBeUndefined()
  })

  it('[ENC-2] are not what a manifest with another hash means, nor what another tenant has', () => {
    const opened = new OpenedParts()
    const [key, bytes] = [newKey(), randomBytes(100)]
    const extent = extentOf(bytes)
    opened.set(scope, extent, key, bytes)
    expect(opened.get(scope, { ...extent, mac: randomBytes(32) }, key)).toBeUndefined()
    expect(opened.get(mintTenantScope(uuidv7()), extent, key)).toBeUndefined()
  })

  it('outlive who has sent them and frees what it sent', () => {
    const opened = new OpenedParts()
    const [key, bytes] = [newKey(), randomBytes(100)]
    const extent = extentOf(bytes)
    opened.set(scope, extent, key, bytes)
    freeBytes(opened.get(scope, extent, key)?.subarray(0, 100) ?? bytes)
    expect(opened.get(scope, extent, key)?.equals(bytes)).toBe(true)
  })

  it('have memory of their own, and leave when there are too many', () => {
    const opened = new OpenedParts()
    const key = newKey()
    const extents = Array.from({ length: 1_200 }, () => {
      const bytes = Buffer.alloc(32 * 1024)
      const extent = extentOf(bytes)
      opened.set(scope, extent, key, bytes)
      bytes.fill(1)
      return extent
    })
    const [first, last] = [extents.at(0), extents.at(-1)]
    if (first === undefined || last === undefined) throw new Error('no extents')
    expect(opened.get(scope, first, key)).toBeUndefined()
    expect(opened.get(scope, last, key)?.every((byte) => byte === 0)).toBe(true)
    opened.set(scope, first, key, Buffer.alloc(65 * 1024))
    expect(opened.get(scope, first, key)).toBeUndefined()
  })
})
