import { describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { EMPTY_ROOT, leafHash } from './merkle-hash.js'
import { append, EMPTY_LOG, type LogState, requireLogState, root } from './merkle-log.js'
import {
  consistencyProof,
  inclusionProof,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from './merkle-proof.js'

const hex = (text: string) => Buffer.from(text, 'hex')

// The leaves and roots that the Certificate Transparency implementations of RFC 6962 test with.
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** MTH of RFC 6962, section 2.1, word for word, over data and not over leaf hashes. */
function naiveRoot(data: readonly Uint8Array[]): Buffer {
  const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const [first] = data
  if (first === undefined) return sha256()
  if (data.length === 1) return sha256(Buffer.of(0), first)
  const k = 2 ** Math.floor(Math.log2(data.length - 1))
  return sha256(Buffer.of(1), naiveRoot(data.slice(0, k)), naiveRoot(data.slice(k)))
}

const dataOf = (size: number) => Array.from({ length: size }, (_, index) => Buffer.from(`leaf ${index}`))
const leavesOf = (size: number) => dataOf(size).map(leafHash)
const logOf = (leaves: readonly Uint8Array[]) => leaves.reduce<LogState>(append, EMPTY_LOG)

describe('[AUD-3] the Merkle log', () => {
  it('has the known roots of RFC 6962', () => {
    let log = EMPTY_LOG
    expect(root(log)).toEqual(EMPTY_ROOT)
    for (const [index, leaf] of LEAVES.entries()) {
      log = append(log, leafHash(hex(leaf)))
      expect(root(log).toString('hex')).toBe(ROOTS[index])
    }
  })

  it('has the root of the definition at every size, from its compact range alone', () => {
    const data = dataOf(130)
    let log = EMPTY_LOG
    for (let size = 1; size <= data.length; size++) {
      log = append(log, leafHash(data[size - 1] ?? Buffer.alloc(0)))
      const expected = naiveRoot(data.slice(0, size))
      expect(root(log)).toEqual(expected)
      expect(rootOf(data.slice(0, size).map(leafHash))).toEqual(expected)
    }
  })

  it('keeps its size beyond 32 bits', () => {
    const range = Buffer.alloc(32 * 3, 7)
    const log = append({ size: 2 ** 40 + 3, range }, leafHash(Buffer.from('x')))
    expect([log.size, log.range.length]).toEqual([2 ** 40 + 4, 64])
  })

  it('refuses a state that no log has', () => {
    expect(() => requireLogState({ size: 3, range: Buffer.alloc(32) })).toThrow(RangeError)
    expect(() => requireLogState({ size: -1, range: Buffer.alloc(0) })).toThrow(RangeError)
    expect(() => append(EMPTY_LOG, Buffer.alloc(31))).toThrow(RangeError)
  })
})

describe('[AUD-3] inclusion proofs', () => {
  it('prove every leaf of every small log, and no other place', () => {
    for (let size = 1; size <= 33; size++) {
      const leaves = leavesOf(size)
      const logRoot = rootOf(leaves)
      for (const [index, leaf] of leaves.entries()) {
        const proof = inclusionProof(leaves, index)
        expect(verifyInclusion({ leaf, index, size, root: logRoot }, proof)).toBe(true)
        for (const wrong of [index - 1, index + 1, size])
          expect(verifyInclusion({ leaf, index: wrong, size, root: logRoot }, proof)).toBe(false)
      }
    }
  })

  it('fail on another leaf, root, or proof', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), (size, chosen, flipped) => {
        const leaves = leavesOf(size)
        const index = chosen % size
        const claim = { leaf: leaves[index] ?? EMPTY_ROOT, index, size, root: rootOf(leaves) }
        const proof = inclusionProof(leaves, index)
        expect(verifyInclusion(claim, proof)).toBe(true)
        expect(verifyInclusion({ ...claim, leaf: EMPTY_ROOT }, proof)).toBe(false)
        expect(verifyInclusion({ ...claim, root: EMPTY_ROOT }, proof)).toBe(false)
        expect(verifyInclusion(claim, [...proof, EMPTY_ROOT])).toBe(false)
        expect(verifyInclusion(claim, proof.slice(1))).toBe(false)
        const at = flipped % proof.length
        expect(verifyInclusion(claim, proof.with(at, EMPTY_ROOT))).toBe(false)
        expect(verifyInclusion(claim, proof.with(at, Buffer.alloc(31)))).toBe(false)
      }),
    )
  })

  it('cannot be made for a leaf that is not there', () => {
    expect(() => inclusionProof(leavesOf(3), 3)).toThrow(RangeError)
    expect(() => consistencyProof(leavesOf(3), 4)).toThrow(RangeError)
    expect(() => consistencyProof(leavesOf(3), 0)).toThrow(RangeError)
  })
})

describe('[AUD-3] consistency proofs', () => {
  it('prove every prefix of every small log, and no other size', () => {
    for (let newSize = 1; newSize <= 33; newSize++) {
      const leaves = leavesOf(newSize)
      const newRoot = root(logOf(leaves))
      for (let oldSize = 1; oldSize <= newSize; oldSize++) {
        const oldRoot = rootOf(leaves.slice(0, oldSize))
        const proof = consistencyProof(leaves, oldSize)
        expect(verifyConsistency({ oldSize, oldRoot, newSize, newRoot }, proof)).toBe(true)
        expect(verifyConsistency({ oldSize: newSize + 1, oldRoot, newSize, newRoot }, proof)).toBe(false)
        expect(verifyConsistency({ oldSize: 0, oldRoot, newSize, newRoot }, proof)).toBe(false)
      }
    }
  })

  it('fail when one leaf of the old log was edited, dropped or inserted', () => {
    const logs = fc.integer({ min: 2, max: 100 }).chain((newSize) =>
      fc.record({
        newSize: fc.constant(newSize),
        oldSize: fc.integer({ min: 1, max: newSize - 1 }),
        chosen: fc.nat(),
      }),
    )
    fc.assert(
      fc.property(logs, ({ newSize, oldSize, chosen }) => {
        const leaves = leavesOf(newSize)
        const at = chosen % oldSize
        const oldRoot = rootOf(leaves.slice(0, oldSize))
        const forged = [
          leaves.with(at, EMPTY_ROOT),
          leaves.toSpliced(at, 1, EMPTY_ROOT, EMPTY_ROOT),
          [...leaves.toSpliced(at, 1), EMPTY_ROOT],
        ]
        for (const other of forged) {
          const claim = { oldSize, oldRoot, newSize: other.length, newRoot: rootOf(other) }
          expect(verifyConsistency(claim, consistencyProof(other, oldSize))).toBe(false)
        }
        const claim = { oldSize, oldRoot, newSize, newRoot: rootOf(leaves) }
        const proof = consistencyProof(leaves, oldSize)
        expect(verifyConsistency(claim, proof)).toBe(true)
        expect(verifyConsistency(claim, [...proof, EMPTY_ROOT])).toBe(false)
        expect(verifyConsistency(claim, proof.slice(0, -1))).toBe(false)
      }),
    )
  })
})
