import type { KeyObject } from 'node:crypto'
import type { UsableKey } from '../keys/key-vault.js'

/** A content key as it crosses to a thread: raw keys become objects before, so that they are not copied about. */
export type ThreadKey = Omit<UsableKey, 'key'> & { readonly key: KeyObject }

/** What a thread is asked for; buffers are given away with the message. */
export type PartJob = {
  readonly tenantId: string
  readonly partId: string
  readonly key: ThreadKey
} & (
  | { readonly kind: 'seal'; readonly plaintext: Uint8Array<ArrayBuffer> }
  | {
      readonly kind: 'open'
      readonly sealed: Uint8Array<ArrayBuffer>
      readonly from: number
      readonly length: number
    }
)

/** A job as posted. */
export type NumberedJob = PartJob & { readonly id: number }

/** What comes back: the bytes, and the keyed hash of the plaintext among them. */
export interface PartResult {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly contentMac: Uint8Array
}

/** An answer, by the job's id. */
export type PartAnswer =
  | { readonly id: number; readonly result: PartResult }
  | {
      readonly id: number
      readonly corrupt: Readonly<Record<string, unknown>> | null
      readonly message: string
    }
