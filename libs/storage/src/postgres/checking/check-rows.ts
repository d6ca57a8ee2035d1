/** An object's row as a check needs it. */
export interface CheckedObject {
  readonly objectId: string
  readonly streamId: string | null
  readonly kind: 'segment' | 'part' | 'keys' | 'tree' | 'prefixes'
  readonly objectKey: string
  readonly state: 'writing' | 'live' | 'dead' | 'gone'
  readonly size: number
  readonly liveBytes: number
  readonly checksum: Uint8Array | null
}

interface Placed {
  readonly agentId: string
  readonly keyId: string
  readonly sealed: Uint8Array | null
  readonly sealedLength: number
  readonly objectOffset: number | null
}

/** A part's row as a check needs it. */
export interface CheckedPart extends Placed {
  readonly partId: string
  readonly size: number
  readonly contentMac: Uint8Array
}

/** A version's row as a check needs it. */
export interface CheckedVersion extends Placed {
  readonly versionId: string
  readonly nodeId: string
  readonly number: number
  readonly parents: string[]
  readonly author: string
  readonly size: number
  readonly contentMac: Uint8Array
  readonly epoch: number
  readonly seq: number
  readonly createdAt: Date
}

/** A record's row as a check needs it; in a block, place and length are the block's. */
export interface CheckedRecord extends Omit<Placed, 'agentId'> {
  readonly recordId: string
  readonly blockId: string | null
  readonly streamId: string
  readonly seq: number
  readonly leaf: Uint8Array
}

/** What points into one object, or waits in Postgres. */
export interface CheckedRows {
  readonly parts: readonly CheckedPart[]
  readonly versions: readonly CheckedVersion[]
  readonly records: readonly CheckedRecord[]
}

/** Something that the rows say and that cannot be. */
export interface RowProblem {
  readonly what: string
  readonly id: string
  readonly agentId: string | null
}
