import { createDecipheriv, createHash, createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import { GCM_NONCE_BYTES, gcmOpen, gcmSeal, KEY_BYTES } from './aes-gcm.js'
import { openChunked, openChunkedRange, sealChunked } from './chunked-encryption.js'
import { plainLength, SALT_BYTES } from './chunked-layout.js'
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

const found = existsSync(VECTORS)

// The vectors lie beside the checkout, not in it; elsewhere this line in the report says why they did not run.
if (!found)
  it(`public vectors did not run: there is no folder ${VECTORS.pathname}`, () =>
    expect(existsSync(VECTORS)).toBe(false))

const whereFound = found ? describe : (_name: string, _suite: () => void): void => undefined
whereFound('public vectors', () => {
  it('[ENC-2] Cobblestone-256: every vector of c2sp_chunked_encryption_aes_256_gcm opens or is refused', () => {
    for (const vector of vectors<ChunkedVector>('c2sp_chunked_encryption_aes_256_gcm_test.json')) {
      const { key, context, message } = decodeChunked(vector)
      const plaintext = outcome(() => openChunked(key, context, message))
      expect([vector.tcId, describeMessage(plaintext)]).toEqual([vector.tcId, expectedMessage(vector)])
    }
  })

  it('[ENC-2] Cobblestone-256: under the salt of a valid vector, sealing gives its very bytes', () => {
    for (const vector of vectors<ChunkedVector>('c2sp_chunked_encryption_aes_256_gcm_test.json').filter(
      isValid,
    )) {
      const { key, context, message } = decodeChunked(vector)
      const sealed = sealChunked(
        key,
        context,
        openChunked(key, context, message),
        message.subarray(0, SALT_BYTES),
      )
      expect(sealed.equals(message)).toBe(true)
    }
  })

  it('[ENC-2] Cobblestone-256: of a partly valid vector a range opens the valid prefix, and nothing behind it', () => {
    const partly = vectors<ChunkedVector>('c2sp_chunked_encryption_aes_256_gcm_test.json')
      .filter((vector) => vector.flags.includes('PartialPlaintext'))
      // A length that no message has is refused whatever the range.
      .filter((vector) => outcome(() => plainLength(decodeChunked(vector).message.length)) !== undefined)
    expect(partly.length).toBeGreaterThan(3)
    for (const vector of partly) {
      const { key, context, message } = decodeChunked(vector)
      const valid = vector.msgLength ?? 0
      const prefix = openChunkedRange(key, context, message, 0, valid - 1)
      expect(prefix).toHaveLength(valid - 1)
      expect(() => openChunkedRange(key, context, message, valid - 1, 2)).toThrow('object_corrupt')
    }
  })

  it('HKDF-SHA-512: every vector of hkdf_sha512', () => {
    for (const vector of vectors<HkdfVector>('hkdf_sha512_test.json')) {
      const prk = hkdfExtract(hex(vector.salt), hex(vector.ikm))
      const derived = outcome(() => hkdfExpand(prk, hex(vector.info), vector.size).toString('hex'))
      expect([vector.tcId, derived]).toEqual([vector.tcId, isValid(vector) ? vector.okm : undefined])
    }
  })

  it('AES-GCM: every vector of the sizes we use opens, or is refused, and seals to its very bytes', () => {
    const ours = vectors<GcmVector>('aes_gcm_test.json').map(decodeGcm).filter(isOurSize)
    expect(ours.length).toBeGreaterThan(50)
    for (const { tcId, valid, key, iv, aad, message, ciphertext, tag } of ours) {
      const sealed = Buffer.concat([ciphertext, tag])
      expect([tcId, gcmOpen(createSecretKey(key), iv, aad, sealed)]).toEqual([
        tcId,
        valid ? message : undefined,
      ])
      expect([tcId, gcmSeal(createSecretKey(key), iv, aad, message).equals(sealed)]).toEqual([tcId, valid])
    }
  })

  it('AES-GCM: every vector of other sizes is refused by us, and right on the platform below', () => {
    const others = vectors<GcmVector>('aes_gcm_test.json')
      .map(decodeGcm)
      .filter((vector) => !isOurSize(vector))
    for (const { tcId, valid, key, iv, aad, message, ciphertext, tag } of others) {
      expect(() => gcmOpen(createSecretKey(key), iv, aad, Buffer.concat([ciphertext, tag]))).toThrow(
        /key length|nonce/,
      )
      const opened = outcome(() => openOnPlatform(key, iv, aad, ciphertext, tag))
      // OpenSSL takes nonces of up to 128 bytes.
      expect([tcId, opened]).toEqual([tcId, valid && iv.length <= 128 ? message : undefined])
    }
  })
})

/** What a call returns, `undefined` when it throws. */
function outcome<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch {
    return undefined
  }
}

function isValid({ result }: { result: 'valid' | 'invalid' }): boolean {
  return result === 'valid'
}

function decodeChunked({ key, ctx, ct }: ChunkedVector): { key: Buffer; context: Buffer; message: Buffer } {
  return { key: hex(key), context: hex(ctx), message: inflateSync(hex(ct)) }
}

function describeMessage(plaintext: Buffer | undefined): string {
  if (plaintext === undefined) return 'refused'
  return `${plaintext.length} ${createHash('sha512').update(plaintext).digest('hex')}`
}

function expectedMessage(vector: ChunkedVector): string {
  return isValid(vector) ? `${vector.msgLength} ${vector.msgSha512}` : 'refused'
}

interface DecodedGcmVector {
  readonly tcId: number
  readonly valid: boolean
  readonly key: Buffer
  readonly iv: Buffer
  readonly aad: Buffer
  readonly message: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

function decodeGcm(vector: GcmVector): DecodedGcmVector {
  const { tcId, key, iv, aad, msg, ct, tag } = vector
  const bytes = { key: hex(key), iv: hex(iv), aad: hex(aad) }
  return { tcId, valid: isValid(vector), ...bytes, message: hex(msg), ciphertext: hex(ct), tag: hex(tag) }
}

function isOurSize({ key, iv }: DecodedGcmVector): boolean {
  return key.length === KEY_BYTES && iv.length === GCM_NONCE_BYTES
}

function openOnPlatform(key: Buffer, iv: Buffer, aad: Buffer, ciphertext: Buffer, tag: Buffer): Buffer {
  const algorithm = ({ 16: 'aes-128-gcm', 24: 'aes-192-gcm', 32: 'aes-256-gcm' } as const)[key.length]
  if (algorithm === undefined) throw new RangeError('no such AES key size')
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: 16 }).setAAD(aad).setAuthTag(tag)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}
