import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeExtentPage,
  encodeExtentPage,
  encodeExtents,
  type Extent,
  extentsHash,
  pagesHash,
} from './extent.js'
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  openManifest,
  sealManifest,
  verifyPagedExtents,
} from './manifest.js'
import { sealObject } from './sealed-object.js'

const MIB = 1_048_576
const source = {
  key: Buffer.alloc(32, 4),
  keyVersion: 1,
  tenantId: '0192f000-0000-7000-8000-000000000001',
  keyId: '0192f000-0000-7000-8000-000000000002',
}
const versionId = '0192f000-0000-7000-8000-000000000010'

function extent(offset: number, length: number, change: Partial<Extent> = {}): Extent {
  const partId = '0192f000-0000-7000-8000-000000000003'
  return { offset, length, keyId: source.keyId, partId, partOffset: 0, mac: Buffer.alloc(32, 6), ...change }
}

function manifest(extents: readonly Extent[], change: Partial<Manifest> = {}): Manifest {
  const last = extents.at(-1)
  const size = last === undefined ? 0 : last.offset + last.length
  return {
    versionId,
    number: 7,
    parents: ['0192f000-0000-7000-8000-000000000011'],
    author: 'agent/research',
    createdAtMs: 1_795_000_000_123,
    size,
    contentHash: size > MIB ? extentsHash(extents) : createHash('sha256').update('x').digest(),
    extents: { kind: 'inline', extents },
    ...change,
  }
}

const extentLists = fc
  .array(
    fc.record({
      gap: fc.nat(5_000_000),
      length: fc.integer({ min: 1, max: MIB }),
      partId: fc.uuid(),
      mac: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      slack: fc.nat(MIB),
    }),
    { maxLength: 64 },
  )
  .map((runs) => {
    let end = 0
    return runs.map(({ gap, length, partId, mac, slack }) => {
      const offset = end + gap
      end = offset + length
      return extent(offset, length, { partId, mac, partOffset: Math.min(slack, MIB - length) })
    })
  })

describe('a manifest', () => {
  it('[ENC-2] is read back field by field, and has one encoding', () => {
    fc.assert(
      fc.property(
        extentLists,
        fc.array(fc.uuid(), { maxLength: 3 }),
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        (extents, parents, author) => {
          const encoded = encodeManifest(manifest(extents, { parents, author }))
          const decoded = decodeManifest(encoded)
          expect(decoded).toMatchObject({
            versionId,
            number: 7,
            parents,
            author,
            createdAtMs: 1_795_000_000_123,
          })
          expect(encodeManifest(decoded)).toEqual(encoded)
        },
      ),
    )
  })

  it('[ENC-2] opens as the version it was sealed for, and as no other', () => {
    const sealed = sealManifest(source, manifest([extent(0, 5)]))
    expect(openManifest(source, versionId, sealed).size).toBe(5)
    const other = '0192f000-0000-7000-8000-0000000000ff'
    const named = expect.objectContaining({
      code: 'object_corrupt',
      details: expect.objectContaining({ objectId: other, objectKind: 'manifest' }),
    })
    expect(() => openManifest(source, other, sealed)).toThrow(named)
    const lying = sealObject(
      { ...source, kind: 'manifest', objectId: other },
      encodeManifest(manifest([extent(0, 5)])),
    )
    expect(() => openManifest(source, other, lying)).toThrow(named)
  })

  it.each([
    ['overlap', [extent(0, 10), extent(9, 5)]],
    ['stand in another order', [extent(10, 5), extent(0, 5)]],
    ['are empty', [extent(0, 0)]],
    ['reach beyond their part', [extent(0, MIB, { partOffset: 1 })]],
  ])('[ENC-2] is refused when its extents %s', (_, extents) => {
    expect(() => encodeManifest(manifest(extents))).toThrow(
      expect.objectContaining({ code: 'object_corrupt' }),
    )
  })

  it('[ENC-2] refuses to be read with extents changed, swapped or beyond the size', () => {
    const extents = [extent(0, MIB), extent(MIB, MIB, { mac: Buffer.alloc(32, 7) })]
    const encoded = encodeManifest(manifest(extents))
    const rewritten = (change: readonly Extent[]) =>
      Buffer.concat([encoded.subarray(0, encoded.length - 2 * 88), encodeExtents(change)])
    const [first, second] = extents as [Extent, Extent]
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    expect(decodeManifest(rewritten(extents)).size).toBe(2 * MIB)
    expect(() =>
      decodeManifest(
        rewritten([
          { ...first, mac: second.mac },
          { ...second, mac: first.mac },
        ]),
      ),
    ).toThrow(corrupt)
    expect(() => decodeManifest(rewritten([first, { ...second, offset: 2 * MIB }]))).toThrow(corrupt)
    expect(() => encodeManifest(manifest([extent(0, 5)], { size: 4 }))).toThrow(corrupt)
  })

  it('refuses unknown flags, cut and padded bytes', () => {
    const encoded = encodeManifest(manifest([extent(0, 5)]))
    expect(encoded).toHaveLength(198)
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    for (let at = 0; at < encoded.length; at++)
      expect(() => decodeManifest(encoded.subarray(0, at))).toThrow(corrupt)
    expect(() => decodeManifest(Buffer.concat([encoded, Buffer.alloc(88)]))).toThrow(corrupt)
    encoded.writeUInt8(2, 72)
    expect(() => decodeManifest(encoded)).toThrow(corrupt)
  })

  it('keeps more than 64 extents in pages, which cover their run and hash as the manifest says', () => {
    const extents = Array.from({ length: 65 }, (_, index) => extent(index * MIB, MIB))
    expect(() => encodeManifest(manifest(extents))).toThrow(
      expect.objectContaining({ code: 'object_corrupt' }),
    )
    const page = extent(0, 65 * MIB)
    const paged = manifest(extents, { extents: { kind: 'paged', pages: [page], hashed: 'extents' } })
    const decoded = decodeManifest(encodeManifest(paged))
    expect(decoded.extents).toEqual({ kind: 'paged', pages: [page], hashed: 'extents' })
    const read = decodeExtentPage(page, encodeExtentPage(extents))
    expect(read).toEqual(extents)
    verifyPagedExtents(decoded, read)
    const named = expect.objectContaining({ details: expect.objectContaining({ objectId: versionId }) })
    expect(() => verifyPagedExtents(decoded, read.slice(1))).toThrow(named)
    const beyond = expect.objectContaining({ details: expect.objectContaining({ objectId: page.partId }) })
    expect(() => decodeExtentPage({ ...page, length: 64 * MIB }, encodeExtentPage(extents))).toThrow(beyond)
  })

  it('[ENC-2] hashes the pages it lists: one that was changed, swapped or left out is refused', () => {
    const pages = [extent(0, 65 * MIB), extent(65 * MIB, 9 * MIB, { mac: Buffer.alloc(32, 7) })]
    const whole = manifest(pages, { contentHash: pagesHash(pages), extents: { kind: 'paged', pages } })
    const encoded = encodeManifest(whole)
    expect(decodeManifest(encoded).extents).toEqual({ kind: 'paged', pages })
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    const [first, second] = pages as [Extent, Extent]
    const swapped = [
      { ...first, mac: second.mac },
      { ...second, mac: first.mac },
    ]
    const rewritten = Buffer.concat([encoded.subarray(0, encoded.length - 2 * 88), encodeExtents(swapped)])
    expect(() => decodeManifest(rewritten)).toThrow(corrupt)
    const cut = { ...whole, extents: { kind: 'paged', pages: [first] } } as const
    expect(() => encodeManifest(cut)).toThrow(corrupt)
  })
})
