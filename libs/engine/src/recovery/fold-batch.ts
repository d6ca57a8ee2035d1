import { append, leafHash, type LogState, receiptFor } from '@agentfs/audit'
import type {
  AliasImage,
  EntryImage,
  NodeImage,
  PushAnswer,
  StreamRecord,
  TenantDelta,
  VersionImage,
} from '@agentfs/contracts'
import type { AuditEventRow, StoredPushRow, StoredRecordRow, StoredStoreRow } from '@agentfs/storage'
import { resultsOf } from '../commit/push-answer.js'
import type { UsableKey } from '../keys/key-vault.js'
import { sealText } from '../keys/sealed-text.js'
import { eventsOf } from '../streams/append-records.js'
import { openTenantDelta } from '../streams/tenant-state.js'
import { eventIdOf } from './event-id.js'
import type { FoundEntry } from './stream-commits.js'

/** Whose commits are folded. */
export interface FoldedStream {
  readonly tenantId: string
  readonly streamId: string
  readonly agentId: string | null
  readonly key: UsableKey
}

/** A record as it was opened, with the bytes its leaf is over. */
export interface OpenedRecord {
  /** The record's entry, or that of the block it lies in. */
  readonly entry: FoundEntry
  readonly recordId: string
  readonly plain: Uint8Array
  /** Authenticated bytes that this service sealed from a typed record: their shape needs no second check. */
  readonly record: StreamRecord
}

/**
 * A run of commits laid over one another: the rows they make together. The newest image of a node, of a name, of a store
 * is all that is written of it.
 */
export class FoldBatch {
  readonly records: StoredRecordRow[] = []
  readonly events: AuditEventRow[] = []
  readonly nodes = new Map<string, { readonly image: NodeImage; readonly at: Date }>()
  readonly entries = new Map<string, { readonly image: EntryImage; readonly seq: number }>()
  readonly aliases: { readonly images: readonly AliasImage[]; readonly seq: number }[] = []
  readonly tenantDeltas: TenantDelta[] = []
  readonly pushes: StoredPushRow[] = []
  /** Files that were erased, and by which commit. */
  readonly erased: { readonly nodeId: string; readonly epoch: number; readonly seq: number }[] = []
  readonly #stream: FoldedStream
  readonly #versions: { readonly image: VersionImage; readonly author: string }[][] = []
  readonly #lastPushes = new Map<
    string,
    { readonly opened: OpenedRecord; readonly log: LogState; readonly leaf: Uint8Array }
  >()
  epoch: number
  seq: number
  log: LogState
  at = new Date(0)

  constructor(
    stream: FoldedStream,
    head: { readonly epoch: number; readonly seq: number; readonly log: LogState },
  ) {
    this.#stream = stream
    this.epoch = head.epoch
    this.seq = head.seq
    this.log = head.log
  }

  /** Adds the next record of the stream, `log` being the log before it. */
  add(opened: OpenedRecord, log: LogState): void {
    const { entry, recordId, plain, record } = opened
    const { streamId, agentId, tenantId, key } = this.#stream
    const { epoch, seq } = record
    const leaf = leafHash(plain)
    this.log = append(log, leaf)
    this.epoch = epoch
    this.seq = seq
    this.at = new Date(record.at)
    const { objectId, offset, length } = entry
    const place = { objectId, offset, length, blockId: entry.kind === 'recordBlock' ? entry.id : null }
    this.records.push({
      recordId,
      epoch,
      seq,
      leafIndex: this.log.size - 1,
      leaf,
      at: this.at,
      ...place,
    })
    this.#versions.push(versionsOf(record))
    // The start of an epoch is no event.
    if ((record.changes as StreamRecord['changes'] | undefined) === undefined) return
    const addressSealed = record.address === undefined ? null : Buffer.from(record.address, 'base64')
    const where = { streamId, epoch, seq, agentId: record.agent ?? agentId, addressSealed }
    const atMs = this.at.getTime()
    this.events.push(...eventsOf(record, where, (index) => eventIdOf(streamId, epoch, seq, index, atMs)))
    if (record.delta !== undefined) this.#addTree(record.delta, seq)
    for (const nodeId of erasedBy(record)) this.erased.push({ nodeId, epoch, seq })
    if (record.state !== undefined) this.tenantDeltas.push(openTenantDelta(tenantId, key, record.state))
    const { push } = record
    if (push === undefined) return
    const digest = Buffer.from(push.digest, 'hex')
    this.pushes.push({ storeId: push.store, number: push.number, digest, epoch, seq })
    this.#lastPushes.set(push.store, { opened, log: this.log, leaf })
  }

  /** The versions that the commit at a place of this batch made. */
  versionsOf(index: number): readonly { readonly image: VersionImage; readonly author: string }[] {
    return this.#versions[index] ?? []
  }

  /** Each store's last push, with the answer it got [SY-8]. */
  stores(): StoredStoreRow[] {
    const { tenantId, streamId, key } = this.#stream
    return [...this.#lastPushes].flatMap(([storeId, { opened, log, leaf }]) => {
      const { push, delta, epoch, seq, at } = opened.record
      if (push === undefined || delta === undefined) return []
      const { digest, number } = push
      const answer: PushAnswer = {
        digest,
        results: resultsOf(push),
        commit: { epoch, seq, at, delta, store: storeId, pushNumber: number },
        receipt: receiptFor({ stream: streamId, epoch, seq }, leaf, log),
      }
      const answerSealed = sealText(tenantId, key, storeId, JSON.stringify(answer))
      return [
        { storeId, number, digest: Buffer.from(digest, 'hex'), epoch, seq, answerSealed, at: new Date(at) },
      ]
    })
  }

  #addTree({ nodes, entries, aliases }: NonNullable<StreamRecord['delta']>, seq: number): void {
    for (const image of nodes) this.nodes.set(image.id, { image, at: this.at })
    for (const image of entries) this.entries.set(`${image.parent}/${image.name}`, { image, seq })
    if (aliases.length > 0) this.aliases.push({ images: aliases, seq })
  }
}

/** A file that kept another name was not erased with this one. */
function erasedBy({ changes, delta }: StreamRecord): string[] {
  const deleted = new Set(delta?.nodes.flatMap(({ id, deleted: gone }) => (gone === true ? [id] : [])))
  return changes.flatMap(({ action, node }) =>
    action === 'file.erase' && node !== undefined && deleted.has(node) ? [node] : [],
  )
}

/** What a record says of the versions it made; who wrote them stands with the nodes they are heads of. */
function versionsOf({ delta }: StreamRecord): { image: VersionImage; author: string }[] {
  const authors = new Map(delta?.nodes.map(({ version, modifiedBy }) => [version, modifiedBy]))
  return (delta?.versions ?? []).map((image) => ({ image, author: authors.get(image.id) ?? '' }))
}
