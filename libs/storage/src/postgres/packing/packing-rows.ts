/** A place in a stream. */
export interface StreamPosition {
  readonly epoch: number
  readonly seq: number
}

/** A stream as the packer sees it. */
export interface PackableStream {
  readonly streamId: string
  readonly kind: 'agent' | 'reads' | 'tenant'
  /** Null for the tenant's own stream. */
  readonly agentId: string | null
  /** Seals the stream's records. */
  readonly keyId: string
  readonly head: StreamPosition
  /** Up to here everything is stored. */
  readonly cursor: StreamPosition
  readonly stagedBytes: number
  /** Age of the oldest commit that is not stored; null when all are. */
  readonly stagedSince: Date | null
  /** As Postgres prints it, to the microsecond: two requests must not look alike. */
  readonly flushRequestedAt: string | null
}

/** One commit that waits, with the sealed bytes of its record, manifests and parts. */
export interface StagedCommit extends StreamPosition {
  readonly bytes: number
}

/** A stream with the commits that wait in it. */
export interface StagedStream {
  readonly stream: PackableStream
  /** After the cursor, oldest first. */
  readonly commits: readonly StagedCommit[]
}

/** A sealed record that waits in its row. */
export interface StagedRecord {
  readonly seq: number
  readonly recordId: string
  readonly sealed: Uint8Array
}

/** A sealed manifest that waits in its version's row. */
export interface StagedManifest {
  readonly seq: number
  readonly versionId: string
  readonly nodeId: string
  readonly keyId: string
  readonly partIds: readonly string[]
  readonly sealed: Uint8Array
}

/** A sealed part that waits in its row. */
export interface StagedPart {
  readonly seq: number
  readonly partId: string
  readonly keyId: string
  readonly sealed: Uint8Array
}

/** Whole commits of one stream and one epoch, as they wait. */
export interface StagedRange {
  readonly records: readonly StagedRecord[]
  readonly manifests: readonly StagedManifest[]
  readonly parts: readonly StagedPart[]
}

/** Where a staged row's bytes stand in a stored object. `id` is the record's seq, the version's or the part's id. */
export interface StoredPlace {
  readonly id: string
  readonly seq: number
  readonly offset: number
}

/** What a segment took over, by the kind of row it came from. */
export interface StoredPlaces {
  readonly records: readonly StoredPlace[]
  readonly versions: readonly StoredPlace[]
  readonly parts: readonly StoredPlace[]
}

/** What became of a switch to a stored object. */
export type SwitchOutcome =
  | { readonly kind: 'stored'; readonly bytes: number; readonly drained: boolean }
  /** Another packer was first, or the collector gave the object up: it is dead now, and nothing points at it. */
  | { readonly kind: 'lost' }
