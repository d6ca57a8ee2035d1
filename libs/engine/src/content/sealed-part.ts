/** A part sealed for a commit: with its bytes, or as an object that was PUT before. */
export interface SealedPart {
  readonly partId: string
  readonly keyId: string
  /** Plaintext bytes. */
  readonly size: number
  readonly contentMac: Uint8Array
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectId: string | null
  /** The parts that a page of extents lists. */
  readonly partIds?: readonly string[]
}
