import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJson } from '@agentfs/audit'
import { type NodeImage, type StreamRecord, uuidv7 } from '@agentfs/contracts'
import {
  type BlockRecord,
  contentMac,
  contentMacKey,
  sealManifest,
  sealObject,
  sealRecordBlock,
} from '@agentfs/crypto'
import { buildSegment, type SegmentEntry } from '@agentfs/storage'
import type { BucketKey } from './bucket-keys.js'
import type { StoredStream } from './stored-stream.js'

/** What a stream grows by. */
export interface Growth {
  readonly folder: string
  readonly tenantId: string
  readonly agentId: string
  readonly stream: StoredStream
  readonly contentKey: (nodeId: string) => BucketKey
  readonly commits: number
  /** Of so many commits one keeps its contents: the others' versions are gone, as retention leaves it. */
  readonly keepEvery: number
}

const BLOCK_RECORDS = 1_024
const CONTENT_BYTES = 200

/**
 * Adds commits to an agent's stream in the bucket, as if a store had pushed one write of 200 bytes each, and compaction had
 * made its blocks: with the service's own sealing, records and segment writer, but without its database, through which a
 * million of them take half an hour.
 */
export function growStream(growth: Growth): { readonly bytes: number } {
  const { commits, keepEvery, contentKey, tenantId } = growth
  const files = growth.stream.files.map(({ image, path }) => ({ image, path, key: contentKey(image.id) }))
  const macKeys = new Map(files.map(({ image, key }) => [image.id, contentMacKey(key.key)]))
  const store = uuidv7()
  const writer = new SegmentWriter(growth)
  const atMs = Date.parse(growth.stream.newest.at)
  for (let index = 1; index <= commits; index++) {
    const file = files[index % files.length]
    if (file === undefined) throw new Error('the agent has no files')
    const seq = growth.stream.seq + index
    const at = new Date(atMs + index).toISOString()
    const versionId = uuidv7()
    const { image, path, key } = file
    const number = image.number + 1
    const parents = image.version === null ? [] : [image.version]
    const content = Buffer.alloc(CONTENT_BYTES, `commit ${seq} `)
    const author = image.modifiedBy
    const partId = uuidv7()
    const mac = contentMac(macKeys.get(image.id) ?? contentMacKey(key.key), content)
    const extent = { offset: 0, length: content.length, keyId: key.keyId, partId, partOffset: 0, mac }
    const manifest = sealManifest(
      { tenantId, ...key },
      {
        versionId,
        number,
        parents,
        author,
        createdAtMs: atMs + index,
        size: content.length,
        contentHash: createHash('sha256').update(content).digest(),
        extents: { kind: 'inline', extents: [extent] },
      },
    )
    file.image = grown(image, { versionId, number, size: content.length, seq, at })
    const version = { id: versionId, node: image.id, number, parents, size: content.length }
    const manifestHash = createHash('sha256').update(manifest).digest('hex')
    const { actor, keyId } = growth.stream.newest
    const record: StreamRecord = {
      v: 1,
      stream: growth.agentId,
      epoch: growth.stream.epoch,
      seq,
      at,
      actor,
      ...(keyId === undefined ? {} : { keyId }),
      door: 'mount',
      requestId: uuidv7(),
      outcome: 'allowed',
      changes: [
        {
          index: 0,
          action: 'file.write',
          node: image.id,
          path,
          version: versionId,
          ...(image.version === null ? {} : { previous: image.version }),
          bytes: content.length,
        },
      ],
      delta: { nodes: [file.image], entries: [], aliases: [], versions: [{ ...version, manifestHash }] },
      push: { store, number: index, digest: manifestHash, operations: 1, results: [] },
    }
    writer.addRecord({ recordId: uuidv7(), seq, text: Buffer.from(canonicalJson(record), 'utf8') })
    // Heads stay; of what they replaced, so many.
    if (index % keepEvery !== 0 && index <= commits - files.length) continue
    const sealed = sealObject({ kind: 'part', tenantId, objectId: partId, ...key }, content)
    writer.addContent({ kind: 'part', id: partId, keyId: key.keyId, seq, sealed })
    writer.addContent({ kind: 'manifest', id: versionId, keyId: key.keyId, seq, sealed: manifest })
  }
  writer.close()
  return { bytes: writer.bytes }
}

function grown(
  image: NodeImage,
  to: { readonly versionId: string; readonly number: number; size: number; seq: number; at: string },
): NodeImage {
  const time: [number, number] = [Math.floor(Date.parse(to.at) / 1_000), 0]
  const { versionId: version, number, size, seq } = to
  return { ...image, version, number, size, seq, mtime: time, ctime: time, modifiedAt: to.at }
}

/** Cuts what comes into segments of 4 MiB: contents in some, blocks of records in others, as compaction leaves them. */
class SegmentWriter {
  readonly #growth: Growth
  #contents: SegmentEntry[] = []
  #contentBytes = 0
  #records: BlockRecord[] = []
  #blocks: (SegmentEntry & { readonly count: number })[] = []
  bytes = 0

  constructor(growth: Growth) {
    this.#growth = growth
  }

  addContent(entry: SegmentEntry): void {
    this.#contents.push(entry)
    this.#contentBytes += entry.sealed.length
    if (this.#contentBytes >= 4 << 20) this.#writeContents()
  }

  addRecord(record: BlockRecord): void {
    this.#records.push(record)
    if (this.#records.length >= BLOCK_RECORDS) this.#closeBlock()
  }

  close(): void {
    this.#closeBlock()
    this.#writeBlocks()
    this.#writeContents()
  }

  #closeBlock(): void {
    const [first] = this.#records
    if (first === undefined) return
    const { tenantId, stream } = this.#growth
    const id = uuidv7()
    const sealed = sealRecordBlock({ tenantId, ...stream.key }, id, this.#records)
    const { keyId } = stream.key
    this.#blocks.push({
      kind: 'recordBlock',
      id,
      keyId,
      seq: first.seq,
      count: this.#records.length,
      sealed,
    })
    this.#records = []
    if (this.#blocks.length >= 4) this.#writeBlocks()
  }

  #writeBlocks(): void {
    const last = this.#blocks.at(-1)
    if (last !== undefined) this.#write(this.#blocks, last.seq + last.count - 1)
    this.#blocks = []
  }

  #writeContents(): void {
    const last = this.#contents.at(-1)
    if (last !== undefined) this.#write(this.#contents, last.seq)
    this.#contents = []
    this.#contentBytes = 0
  }

  #write(entries: readonly SegmentEntry[], lastSeq: number): void {
    const { tenantId, agentId, stream, folder } = this.#growth
    const segmentId = uuidv7()
    const place = { tenantId, streamId: agentId, agentId, epoch: stream.epoch }
    const firstSeq = entries[0]?.seq ?? lastSeq
    const { bytes } = buildSegment({ segmentId, ...place, firstSeq, lastSeq, entries })
    writeFileSync(join(folder, segmentId), bytes)
    this.bytes += bytes.length
  }
}
