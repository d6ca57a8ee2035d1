import { append, canonicalJson, leafHash, type LogState, receiptFor } from '@agentfs/audit'
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

/** Appends records to a stream whose row this transaction has locked, see `recordsAppended`; gives a receipt per record. */
export function appendRecords(
  tx: TenantTransaction,
  stream: StreamRow,
  key: UsableKey,
  drafts: readonly RecordDraft[],
): Receipt[] {
  const { receipts, statements } = recordsAppended(tx.tenantId, stream, key, drafts)
  tx.later(tx.batch(statements))
  return receipts
}

/**
 * Assigns seq, hashes and seals: the statements that append records to a locked stream, and a receipt per record.
 * `stagedBytes` are sealed bytes besides the records that wait with them.
 */
export function recordsAppended(
  tenantId: string,
  stream: StreamRow,
  key: UsableKey,
  drafts: readonly RecordDraft[],
  stagedBytes = 0,
): { readonly receipts: Receipt[]; readonly statements: Statement[] } {
  let log: LogState = { size: stream.merkleSize, range: stream.merkleRange }
  const rows: NewRecordRow[] = []
  const events: AuditEventRow[] = []
  const receipts: Receipt[] = []
  let seq = stream.headSeq
  for (const { record, agentId, addressSealed } of drafts) {
    seq += 1
    const { streamId, epoch } = stream
    const about = agentId === null || agentId === stream.agentId ? {} : { agent: agentId }
    const text = Buffer.from(
      canonicalJson({ v: 1, stream: streamId, epoch, seq, ...about, ...record }),
      'utf8',
    )
    const leaf = leafHash(text)
    const recordId = uuidv7()
    log = append(log, leaf)
    rows.push({
      recordId,
      seq,
      leafIndex: log.size - 1,
      leaf,
      at: new Date(record.at),
      sealed: sealObject({ kind: 'record', tenantId, objectId: recordId, ...key }, text),
    })
    receipts.push(receiptFor({ stream: streamId, epoch, seq }, leaf, log))
    const place = { streamId, epoch, seq, agentId, addressSealed }
    events.push(...eventsOf(record, place, () => uuidv7()))
  }
  const recordBytes = rows.reduce((sum, { sealed }) => sum + sealed.length, 0)
  const at = new Date(drafts.at(-1)?.record.at ?? Date.now())
  const statements = [
    recordsInserted(tenantId, stream.streamId, stream.epoch, rows),
    ...(events.length > 0 ? [auditEventsInserted(tenantId, events)] : []),
    streamAdvanced(tenantId, stream.streamId, { seq, log, stagedBytes: stagedBytes + recordBytes, at }),
  ]
  return { receipts, statements }
}
