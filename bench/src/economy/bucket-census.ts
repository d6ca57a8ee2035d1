import { type ObjectStore, parseSegment } from '@agentfs/storage'

/** Bytes of a tenant's part of the bucket, all objects counted, by what they are. */
export interface BucketCensus {
  readonly bytes: number
  readonly objects: number
  /** Of whole objects: `segments`, `parts`, `prefixes`, `keys`, `checkpoints`; of what stands in segments too: `in segments: …`. */
  readonly kinds: Readonly<Record<string, { readonly count: number; readonly bytes: number }>>
}

const FOLDERS: Readonly<Record<string, string>> = { seg: 'segments', part: 'parts' }

/** Lists everything below a prefix, and looks into the segments unless `shallow`. */
export async function bucketCensus(
  store: ObjectStore,
  prefix: string,
  { shallow = false } = {},
): Promise<BucketCensus> {
  const kinds: Record<string, { count: number; bytes: number }> = {}
  const note = (kind: string, bytes: number, count = 1): void => {
    const noted = (kinds[kind] ??= { count: 0, bytes: 0 })
    noted.count += count
    noted.bytes += bytes
  }
  let [bytes, objects] = [0, 0]
  for await (const { key, size } of store.list(prefix)) {
    const folder = key.split('/').at(-2) ?? ''
    note(FOLDERS[folder] ?? folder, size)
    bytes += size
    objects++
    if (folder !== 'seg' || shallow) continue
    let framing = size
    for (const { kind, sealed } of parseSegment(await store.get(key), key).entries) {
      note(`in segments: ${kind}`, sealed.length)
      framing -= sealed.length
    }
    note('in segments: framing', framing)
  }
  return { bytes, objects, kinds }
}
