import type { TenantScope } from '@agentfs/access'
import {
  buildSegment,
  type PackableStream,
  type SegmentEntry,
  type StagedManifest,
  type StagedRange,
  type StoredPlace,
  type StoredPlaces,
} from '@agentfs/storage'
import type { PackPlan } from './pack-plan.js'
import { besideTheirManifests } from './segment-order.js'

/** The bytes of a segment, and where in them each staged row's bytes stand. */
export interface AssembledSegment {
  readonly bytes: Uint8Array
  readonly sha256: Uint8Array
  readonly places: StoredPlaces
}

/** One segment of some staged commits. */
export function assembleSegment(
  scope: TenantScope,
  stream: PackableStream,
  plan: PackPlan,
  segmentId: string,
  range: StagedRange,
): AssembledSegment {
  const parts = range.parts.map((part): SegmentEntry => ({ ...part, kind: 'part', id: part.partId }))
  const manifests = range.manifests.map((version): SegmentEntry & StagedManifest => ({
    ...version,
    kind: 'manifest',
    id: version.versionId,
  }))
  const records = range.records.map((record): SegmentEntry => ({
    ...record,
    kind: 'record',
    id: record.recordId,
    keyId: stream.keyId,
  }))
  const { bytes, sha256, placements } = buildSegment({
    segmentId,
    tenantId: scope.tenantId,
    streamId: stream.streamId,
    agentId: stream.agentId,
    epoch: plan.epoch,
    firstSeq: plan.firstSeq,
    lastSeq: plan.lastSeq,
    entries: besideTheirManifests(parts, manifests, records),
  })
  const place = ({ id, seq }: SegmentEntry): StoredPlace => {
    const placement = placements.get(id)
    if (placement === undefined) throw new Error(`${id} has no place in segment ${segmentId}`)
    return { id, seq, offset: placement.offset }
  }
  return {
    bytes,
    sha256,
    places: { parts: parts.map(place), versions: manifests.map(place), records: records.map(place) },
  }
}
