import { appendAll, canonicalJson, leafHash, receiptFor } from '@agentfs/audit'
import { type Receipt, type StreamRecord, uuidv7 } from '@agentfs/contracts'
import { sealObject } from '@agentfs/crypto'
import {
  auditEventsInserted,
  type AuditEventRow,
  type NewRecordRow,
  recordsInserted,
  type Statement,
  streamAdvanced,
  type StreamRow,
  type TenantTransaction,
} from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'

/** Where the events of a record stand. */
export interface EventPlace {
  readonly streamId: string
  readonly epoch: number
  readonly seq: number
  readonly agentId: string | null
  readonly addressSealed: Uint8Array | null
}

/** The rows under which a record's changes are listed. */
export function eventsOf(
  record: RecordDraft['record'],
  place: EventPlace,
  eventId: (changeIndex: number) => string,
): AuditEventRow[] {
  return record.changes.map((change) => ({
    ...place,
    changeIndex: change.index,
    at: new Date(record.at),
    actor: `${record.actor.kind}/${record.actor.id}`,
    keyId: record.keyId ?? null,
    door: record.door,
    action: change.action,
    path: change.path?.replaceAll('\0', '␀') ?? null,
    nodeId: change.node ?? null,
    versionId: change.version ?? null,
    outcome: record.outcome,
    requestId: record.requestId,
    eventId: eventId(change.index),
  }))
}

/** A record without what its place in the stream gives it. */
export interface RecordDraft {
  readonly record: Omit<StreamRecord, 'v' | 'stream' | 'epoch' | 'seq'>
  /** The agent that the events are listed under. */
  readonly agentId: string | null
  /** The caller's address, sealed, for the list; the record has it as base64. */
  readonly addressSealed: Uint8Array | null
}

/** Appends records to a stream whose row this transaction has locked, see `recordsAppended`. */
export function appendRecords(
  tx: TenantTransaction,
  stream: StreamRow,
  key: UsableKey,
  drafts: readonly RecordDraft[],
): void {
  tx.later(tx.batch(recordsAppended(tx.tenantId, stream, key, drafts).statements))
}

/**
 * Assigns seq, hashes and seals: the statements that append records to a locked stream, and the receipt of the last one,
 * made when it is asked for. `stagedBytes` are sealed bytes besides the records that wait with them.
 */
export function recordsAppended(
  tenantId: string,
  stream: StreamRow,
  key: UsableKey,
  drafts: readonly RecordDraft[],
  stagedBytes = 0,
): { readonly receipt: () => Receipt; readonly statements: Statement[] } {
  const { streamId, epoch, headSeq, merkleSize } = stream
  const rows: NewRecordRow[] = []
  const events: AuditEventRow[] = []
  for (const [index, { record, agentId, addressSealed }] of drafts.entries()) {
    const seq = headSeq + 1 + index
    const about = agentId === null || agentId === stream.agentId ? {} : { agent: agentId }
    const text = Buffer.from(
      canonicalJson({ v: 1, stream: streamId, epoch, seq, ...about, ...record }),
      'utf8',
    )
    const recordId = uuidv7()
    rows.push({
      recordId,
      seq,
      leafIndex: merkleSize + index,
      leaf: leafHash(text),
      at: new Date(record.at),
      sealed: sealObject({ kind: 'record', tenantId, objectId: recordId, ...key }, text),
    })
    const place = { streamId, epoch, seq, agentId, addressSealed }
    events.push(...eventsOf(record, place, () => uuidv7()))
  }
  const leaves = rows.map(({ leaf }) => leaf)
  const log = appendAll({ size: merkleSize, range: stream.merkleRange }, leaves)
  const recordBytes = rows.reduce((sum, { sealed }) => sum + sealed.length, 0)
  const seq = headSeq + drafts.length
  const at = new Date(drafts.at(-1)?.record.at ?? Date.now())
  const statements = [
    recordsInserted(tenantId, streamId, epoch, rows),
    ...(events.length > 0 ? [auditEventsInserted(tenantId, events)] : []),
    streamAdvanced(tenantId, streamId, { seq, log, stagedBytes: stagedBytes + recordBytes, at }),
  ]
  const receipt = (): Receipt => {
    const leaf = leaves.at(-1)
    if (leaf === undefined) throw new Error('a receipt was asked for without a record')
    return receiptFor({ stream: streamId, epoch, seq }, leaf, log)
  }
  return { receipt, statements }
}
