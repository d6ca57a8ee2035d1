import { createDecipheriv, createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import { GCM_NONCE_BYTES, gcmOpen, gcmSeal, KEY_BYTES } from './aes-gcm.js'
import { openChunked, openChunkedRange, sealChunked } from './chunked-encryption.js'
import { MESSAGE_HEAD_BYTES, SALT_BYTES } from './chunked-layout.js'
import { hkdfExpand, hkdfExtract } from './hkdf.js'

// Public vectors (Wycheproof) lie beside the checkout; they are not copied into the project.
const VECTORS = new URL('../../../../shared/vectors/', import.meta.url)
const hex = (text: string) => Buffer.from(text, 'hex')

interface ChunkedVector {
  readonly tcId: number
  readonly comment: string
  readonly key: string
  readonly ctx: string
  readonly ct: string
  readonly msgLength?: number
  readonly msgSha512?: string
  readonly result: 'valid' | 'invalid'
  readonly flags: readonly string[]
}

interface HkdfVector {
  readonly tcId: number
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly size: number
  readonly okm: string
  readonly result: 'valid' | 'invalid'
}

interface GcmVector {
  readonly tcId: number
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: 'valid' | 'invalid'
}

function vectors<Vector>(name: string): Vector[] {
  const file = JSON.parse(readFileSync(new URL(name, VECTORS), 'utf8')) as {
    numberOfTests: number
    testGroups: { tests: Vector[] }[]
  }
  const tests = file.testGroups.flatMap((group) => group.tests)
  expect(tests).toHaveLength(file.numberOfTests)
  return tests
}

if (!existsSync(VECTORS))
  it(`did not run the public vectors: there is no folder ${VECTORS.pathname}`, () => {
    console.warn(`public vectors not run: no folder ${VECTORS.pathname}`)
  })
else
  describe('public vectors', () => {
    it('[ENC-2] Cobblestone-256: every vector of c2sp_chunked_encryption_aes_256_gcm', () => {
      for (const vector of vectors<ChunkedVector>('c2sp_chunked_encryption_aes_256_gcm_test.json')) {
        const message = inflateSync(hex(vector.ct))
        const key = hex(vector.key)
        const context = hex(vector.ctx)
        const open = () => openChunked(key, context, message)
        if (vector.result === 'invalid') {
          expect(open).toThrow(vector.flags.includes('InvalidKeySize') ? RangeError : 'object_corrupt')
          // The validly sealed prefix may open by range, and nothing behind it.
          if (vector.flags.includes('PartialPlaintext'))
            expect(() => openChunkedRange(key, context, message, vector.msgLength ?? 0, 1)).toThrow(
              'object_corrupt',
            )
          continue
        }
        const plaintext = open()
        expect(plaintext).toHaveLength(vector.msgLength ?? -1)
        expect(createHash('sha512').update(plaintext).digest('hex')).toBe(vector.msgSha512)
        const again = sealChunked(key, context, plaintext, message.subarray(0, SALT_BYTES))
        expect(again.subarray(0, MESSAGE_HEAD_BYTES)).toEqual(message.subarray(0, MESSAGE_HEAD_BYTES))
        expect(again.equals(message)).toBe(true)
      }
    })

    it('HKDF-SHA-512: every vector of hkdf_sha512', () => {
      for (const { ikm, salt, info, size, okm, result } of vectors<HkdfVector>('hkdf_sha512_test.json')) {
        const derive = () => hkdfExpand(hkdfExtract(hex(salt), hex(ikm)), hex(info), size).toString('hex')
        if (result === 'valid') expect(derive()).toBe(okm)
        else expect(derive).toThrow(RangeError)
      }
    })

    it('AES-GCM: every vector of aes_gcm, ours for the sizes we use, the platform for the others', () => {
      let ours = 0
      for (const vector of vectors<GcmVector>('aes_gcm_test.json')) {
        const [key, iv, aad, message] = [vector.key, vector.iv, vector.aad, vector.msg].map(hex) as [
          Buffer,
          Buffer,
          Buffer,
          Buffer,
        ]
        const sealed = hex(vector.ct + vector.tag)
        if (key.length === KEY_BYTES && iv.length === GCM_NONCE_BYTES) {
          ours++
          expect(gcmOpen(key, iv, aad, sealed)).toEqual(vector.result === 'valid' ? message : undefined)
          if (vector.result === 'valid') expect(gcmSeal(key, iv, aad, message)).toEqual(sealed)
          continue
        }
        expect(() => gcmOpen(key, iv, aad, sealed)).toThrow(/key length|nonce/)
        const open = () => openOnPlatform(key, iv, aad, hex(vector.ct), hex(vector.tag))
        if (vector.result === 'valid') expect(open()).toEqual(message)
        else expect(open).toThrow()
      }
      expect(ours).toBeGreaterThan(50)
    })
  })

function openOnPlatform(key: Buffer, iv: Buffer, aad: Buffer, ciphertext: Buffer, tag: Buffer): Buffer {
  const algorithm = ({ 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' } as const)[key.length]
  if (algorithm === undefined) throw new RangeError('no such AES key size')
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: 16 }).setAAD(aad).setAuthTag(tag)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}
