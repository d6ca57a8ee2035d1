import { describe, expect, it } from '@jest/globals'
import { nameFromBytes, type Name } from '@agentfs/contracts'
import fc from 'fast-check'
import {
  keyOfPath,
  metadataPath,
  namesOfMetadata,
  PATH_KEY_BYTES_MAX,
  pathOfKey,
  sidecarKeyOf,
} from './index.js'

const PIECES = [
  'a',
  '%',
  '%41',
  '%~',
  '~',
  '.agentfs.md',
  '.agentfs.m%64',
  'é',
  '😀',
  '\u0001',
  '\u007f',
  '\u0085',
  '\ufffe',
  '\ufeff',
  '\\',
  ' ',
  '.',
  'x'.repeat(100),
]
const nastyName = fc
  .array(
    fc.oneof(
      fc.constantFrom(...PIECES).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((pieces) => Buffer.concat(pieces).subarray(0, 255))
  .filter(
    (bytes) =>
      bytes.length > 0 &&
      !bytes.includes(0) &&
      !bytes.includes(0x2f) &&
      !['.', '..'].includes(bytes.toString('latin1')),
  )
  .map((bytes) => nameFromBytes(bytes))
const nastyPath = fc.array(nastyName, { minLength: 1, maxLength: 12 })

function property<T>(check: (value: T) => void, arbitrary: fc.Arbitrary<T>): void {
  const seed = Date.now() & 0x7fffffff
  process.stdout.write(`fast-check seed ${seed}\n`)
  fc.assert(fc.property(arbitrary, check), { numRuns: 1_000, seed })
}

/** The rules that every object store and filesystem keeps alike. */
function expectKey(key: string): void {
  expect(key.isWellFormed()).toBe(true)
  expect(Buffer.byteLength(key)).toBeLessThanOrEqual(PATH_KEY_BYTES_MAX)
  expect(key).not.toMatch(/[\p{Cc}\uFFFE\uFFFF]/u)
  const bad = key
    .split('/')
    .filter((segment) => ['', '.', '..'].includes(segment) || Buffer.byteLength(segment) > 255)
  expect(bad).toEqual([])
}

describe('keyOfPath', () => {
  it.each<[string, Name[], string]>([
    ['an ordinary path', ['notes', 'prefs é 😀.md'], 'notes/prefs é 😀.md'],
    ['a percent sign', ['100%', '%41'], '100%25/%2541'],
    ['control characters', ['a\nb\u007f'], 'a%0Ab%7F'],
    ['bytes that are no UTF-8', [nameFromBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa9]))], 'a%FFé'],
    ['a name that ends like a sidecar', ['x.agentfs.md'], 'x.agentfs.m%64'],
  ])('%s', (_name, names, key) => {
    expect(keyOfPath(names)).toBe(key)
    expect(pathOfKey(key)).toEqual({ names, sidecar: false })
    expect(pathOfKey(sidecarKeyOf(key))).toEqual({ names, sidecar: true })
  })

  it('makes keys that every store takes, and is reversible, by the key alone or by the metadata', () => {
    property((names: Name[]) => {
      const key = keyOfPath(names)
      expectKey(key)
      expectKey(sidecarKeyOf(key))
      if (!key.includes('%~')) {
        expect(pathOfKey(key)).toEqual({ names, sidecar: false })
        expect(pathOfKey(sidecarKeyOf(key))).toEqual({ names, sidecar: true })
      }
      expect(namesOfMetadata(metadataPath(names))).toEqual(names)
    }, nastyPath)
  })

  it('gives different paths different keys, those of sidecars included', () => {
    property(
      ([left, right]) => {
        if (left.join('/') === right.join('/')) return
        const keys = [
          keyOfPath(left),
          sidecarKeyOf(keyOfPath(left)),
          keyOfPath(right),
          sidecarKeyOf(keyOfPath(right)),
        ]
        expect(new Set(keys).size).toBe(4)
      },
      fc.tuple(nastyPath, nastyPath),
    )
    const long = 'x'.repeat(250)
    const deep = Array.from({ length: 10 }, () => 'y'.repeat(100))
    const paths = [[`${long}1`], [`${long}2`], [...deep, 'a'], [...deep, 'b'], [...deep.slice(1), 'z', 'a']]
    expect(new Set(paths.map(keyOfPath)).size).toBe(paths.length)
  })

  it('knows the keys that no path makes', () => {
    for (const key of [
      '',
      'a//b',
      'a%',
      '%4',
      '%41',
      '%zz',
      'a%0a',
      'x.agentfs.md.agentfs.md',
      '.agentfs.md',
    ])
      expect(pathOfKey(key)).toBeUndefined()
  })
})
