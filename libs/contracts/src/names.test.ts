import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { nameFault, nameFromBytes, nameToBytes } from './names.js'
import { parsePath } from './paths.js'
import { isUuid, uuidTimeMs, uuidv7 } from './ids.js'
import { AgentfsError } from './errors.js'

describe('names', () => {
  it('is told of any string, also of one that begins as an encoded name and is none', () => {
    expect(nameFault('\0no base64!')).toMatch(/not valid base64/)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const fault = nameFault(`\0${text}`)
        expect(fault === null || fault.length > 0).toBe(true)
      }),
    )
  })

  it('[FS-6] any byte sequence Linux allows is kept exactly', () => {
    const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f)
    fc.assert(
      fc.property(fc.array(byte, { minLength: 1, maxLength: 255 }), (bytes) => {
        const raw = Uint8Array.from(bytes)
        const name = nameFromBytes(raw)
        expect([...nameToBytes(name)]).toEqual(bytes)
        const dots = bytes.every((value) => value === 0x2e) && bytes.length <= 2
        expect(nameFault(name) === null).toBe(!dots)
      }),
    )
  })

  it('[FS-6] two names of the same bytes are one string', () => {
    const twice = '\0' + btoa('plain.md')
    expect(nameFault(twice)).toMatch(/two ways/)
  })

  it('[FS-6] refuses what is no name', () => {
    for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256), '\0', '\0!!!', '\ud800']) {
      expect(() => {
        if (nameFault(name) !== null) throw new AgentfsError('invalid_path')
      }).toThrow(AgentfsError)
    }
    expect(nameFault('é'.repeat(127))).toBeNull()
    expect(nameFault('é'.repeat(128))).toMatch(/256 bytes/)
  })
})

describe('paths', () => {
  it('[FS-6] splits, and refuses dot, empty and NUL segments', () => {
    expect(parsePath('')).toEqual([])
    expect(parsePath('/a/b.md/')).toEqual(['a', 'b.md'])
    for (const path of ['a//b', '../a', 'a/./b', 'a/..', 'a\0']) {
      expect(() => parsePath(path)).toThrow(AgentfsError)
    }
  })
})

describe('ids', () => {
  it('are UUIDv7, ordered within a process, and carry their time', () => {
    const ids = Array.from({ length: 10_000 }, () => uuidv7())
    expect(ids.every(isUuid)).toBe(true)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
    expect(uuidTimeMs(uuidv7(4_102_444_800_000))).toBe(4_102_444_800_000)
  })
})
