import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { StoreError } from './store-error.js'

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** By how much the sealed form is longer. */
export const SEALED_EXTRA_BYTES = NONCE_BYTES + TAG_BYTES
const OPTIONS = { authTagLength: TAG_BYTES }

/**
 * Seals what a store persists: nonce[12] | ciphertext | tag[16], AES-256-GCM, bound to table and row by the additional
 * data, so that rows cannot be swapped. A nonce is 6 random bytes of this opening and a counter of 6: a copied folder
 * goes on under another prefix and never repeats one.
 */
export class Sealer {
  readonly #key: KeyObject
  readonly #prefix = randomBytes(6)
  #counter = 0

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key)
  }

  /** The sealed form of a row's bytes. */
  seal(table: string, id: number | string, plain: Uint8Array): Buffer {
    return Buffer.concat(this.sealInPieces(table, id, plain))
  }

  /** The same as the pieces that it is made of, one behind the other: what is large is not copied. */
  sealInPieces(table: string, id: number | string, plain: Uint8Array): readonly Buffer[] {
    const nonce = Buffer.allocUnsafe(NONCE_BYTES)
    this.#prefix.copy(nonce)
    nonce.writeUIntBE(this.#counter++, 6, 6)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, OPTIONS)
    cipher.setAAD(additionalData(table, id))
    const ciphertext = cipher.update(plain)
    cipher.final()
    return [nonce, ciphertext, cipher.getAuthTag()]
  }

  /** The bytes of a row; `store_unreadable` where they are not what was sealed for it. */
  open(table: string, id: number | string, sealed: Uint8Array): Buffer {
    if (sealed.length >= SEALED_EXTRA_BYTES) {
      const end = sealed.length - TAG_BYTES
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES), OPTIONS)
      decipher.setAAD(additionalData(table, id)).setAuthTag(sealed.subarray(end))
      const plain = decipher.update(sealed.subarray(NONCE_BYTES, end))
      try {
        decipher.final()
        return plain
      } catch {
        plain.fill(0)
      }
    }
    throw new StoreError(
      'store_unreadable',
      `the client store is damaged: row ${id} of ${table} is not what was written`,
      { table, id },
    )
  }
}

function additionalData(table: string, id: number | string): Buffer {
  return Buffer.from(`agentfs/store/v1\0${table}\0${id}`)
}
