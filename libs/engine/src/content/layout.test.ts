import { createSecretKey } from 'node:crypto'
import { type Extent, EXTENTS_PER_PAGE } from '@agentfs/crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type Laid, layOver } from './extents.js'
import { edited, type Layout, layoutHash, paged } from './layout.js'

const MIB = 1_048_576
const TENANT = '0192f000-0000-7000-8000-000000000001'
const key = {
  key: createSecretKey(Buffer.alloc(32, 4)),
  keyVersion: 1,
  keyId: '0192f000-0000-7000-8000-000000000002',
}

function extent(offset: number, length: number, mark: number): Extent {
  const partId = `0192f000-0000-7000-8000-${String(mark).padStart(12, '0')}`
  return { offset, length, keyId: key.keyId, partId, partOffset: 0, mac: Buffer.alloc(32, mark) }
}

/** A file whose pages are known, and how many of them an edit looked at. */
class PagedFile {
  readonly pages = new Map<string, readonly Extent[]>()
  layout: Layout = { kind: 'inline', extents: [] }
  loaded = 0
  sealed = 0

  async edit(over: readonly Laid[], size: number): Promise<void> {
    this.loaded = 0
    const stretches = await edited(this.layout, over, size, (page) => {
      this.loaded++
      return Promise.resolve(this.pages.get(page.partId) ?? [])
    })
    const made = paged(TENANT, key, stretches)
    for (const [id, extents] of made.pageExtents) this.pages.set(id, extents)
    this.layout = made.layout
    this.sealed = made.pages.length
  }

  get extents(): readonly Extent[] {
    return this.layout.kind === 'inline'
      ? this.layout.extents
      : this.layout.pages.flatMap(({ partId }) => this.pages.get(partId) ?? [])
  }

  get partIds(): string[] {
    return this.layout.kind === 'inline' ? [] : this.layout.pages.map(({ partId }) => partId)
  }
}

/** Extents with neighbours of one part put together: a run that lies across two pages stands in both. */
function joined(extents: readonly Extent[]): Extent[] {
  const result: Extent[] = []
  for (const run of extents) {
    const last = result.at(-1)
    const follows =
      last?.partId === run.partId &&
      last.offset + last.length === run.offset &&
      last.partOffset + last.length === run.partOffset
    if (last !== undefined && follows)
      result[result.length - 1] = { ...last, length: last.length + run.length }
    else result.push(run)
  }
  return result
}

async function large(mib: number): Promise<PagedFile> {
  const file = new PagedFile()
  await file.edit(
    Array.from({ length: mib }, (_, index) => extent(index * MIB, MIB, index % 200)),
    mib * MIB,
  )
  return file
}

describe('pages of extents', () => {
  it('an edit in the middle of 10 GiB looks at one page, seals one, and shares the 39 others', async () => {
    const file = await large(10_240)
    expect([file.partIds.length, file.sealed]).toEqual([40, 40])
    const before = file.partIds
    const hash = layoutHash(file.layout)
    await file.edit([extent(5_000 * MIB + 10, 100, 201)], 10_240 * MIB)
    expect(file.loaded).toBe(1)
    // The page was full: its run of 258 extents is halved.
    expect(file.sealed).toBe(2)
    expect(file.partIds.filter((id) => before.includes(id))).toHaveLength(39)
    expect(layoutHash(file.layout).equals(hash)).toBe(false)
    await file.edit([extent(5_000 * MIB + 500, 100, 202)], 10_240 * MIB)
    expect([file.loaded, file.sealed, file.partIds.length]).toEqual([1, 1, 41])
  })

  it('appends fill the last page, then begin another', async () => {
    const file = await large(300)
    const before = file.partIds
    for (let index = 0; index < EXTENTS_PER_PAGE; index++) {
      await file.edit([extent(300 * MIB + index * 10, 10, 201)], 300 * MIB + index * 10 + 10)
      expect(file.loaded).toBe(1)
      expect(file.sealed).toBeLessThanOrEqual(2)
      expect(file.partIds[0]).toBe(before[0])
    }
    expect(file.partIds).toHaveLength(3)
  })

  it('read back as bytes laid over one another would, whatever is written, punched and cut', async () => {
    const run = fc.record({
      offset: fc.nat(600),
      length: fc.integer({ min: 1, max: 300 }),
      hole: fc.boolean(),
    })
    const steps = fc.array(fc.record({ runs: fc.array(run, { maxLength: 4 }), size: fc.nat(900) }), {
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(steps, async (edits) => {
        const file = new PagedFile()
        const many = Array.from({ length: 600 }, (_, index) => extent(index, 1, index % 200))
        await file.edit(many, 600)
        let model: readonly Extent[] = many
        for (const [step, { runs, size }] of edits.entries()) {
          const over = runs.map(({ offset, length, hole }): Laid => {
            return hole ? { offset, length, hole } : extent(offset, length, 300 + step)
          })
          await file.edit(over, size)
          model = layOver(model, over, size)
          expect(joined(file.extents)).toEqual(joined(model))
        }
      }),
    )
  })
})
