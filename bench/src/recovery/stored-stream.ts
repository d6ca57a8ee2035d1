import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeImage, StreamRecord } from '@agentfs/contracts'
import { openObject } from '@agentfs/crypto'
import { parseSegment } from '@agentfs/storage'
import type { BucketKey } from './bucket-keys.js'

/** Where an agent's stream ends in the bucket, with the newest images of its nodes. */
export interface StoredStream {
  readonly key: BucketKey
  readonly epoch: number
  readonly seq: number
  readonly newest: StreamRecord
  readonly files: readonly { readonly image: NodeImage; readonly path: string }[]
}

/** Reads an agent's segments, which the service has just stored. */
export function storedStream(
  folder: string,
  tenantId: string,
  agentId: string,
  keyOf: (keyId: string) => BucketKey,
): StoredStream {
  const records: { readonly record: StreamRecord; readonly key: BucketKey }[] = []
  for (const name of readdirSync(folder)) {
    const { header, entries } = parseSegment(readFileSync(join(folder, name)), name)
    if (header.streamId !== agentId) continue
    for (const { kind, id, keyId, sealed } of entries) {
      if (kind !== 'record') continue
      const key = keyOf(keyId)
      const text = openObject({ kind, tenantId, objectId: id, ...key }, sealed).toString('utf8')
      // Authenticated bytes that the service sealed from a typed record.
      records.push({ record: JSON.parse(text) as StreamRecord, key })
    }
  }
  records.sort((left, right) => left.record.seq - right.record.seq)
  const last = records.at(-1)
  if (last === undefined) throw new Error('the agent has no records')
  const files = new Map<string, { image: NodeImage; path: string }>()
  for (const { record } of records) {
    const paths = new Map(record.changes.map(({ node, path }) => [node, path]))
    for (const image of record.delta?.nodes ?? []) {
      if (image.kind === 'file') files.set(image.id, { image, path: paths.get(image.id) ?? '' })
    }
  }
  const { epoch, seq } = last.record
  return { key: last.key, epoch, seq, newest: last.record, files: [...files.values()] }
}
