import {
  encodeExtentPage,
  type Extent,
  EXTENTS_INLINE_MAX,
  EXTENTS_PER_PAGE,
  extentsHash,
  type ManifestExtents,
  pagesHash,
} from '@agentfs/crypto'
import type { UsableKey } from '../keys/key-vault.js'
import type { SealedPart } from './sealed-part.js'
import { inOrder, type Laid, layOver } from './extents.js'
import { extentOfPart, sealPart } from './seal-part.js'

/** Where a version's bytes lie: extents that stand in its manifest, or pages of them, which versions share. */
export type Layout = ManifestExtents

/** A stretch of a layout in the making: a page that stays, or extents that need one. */
export type Stretch = { readonly page: Extent } | { readonly extents: readonly Extent[] }

/** A layout whose new pages are sealed, and the extents in these. */
export interface PagedLayout {
  readonly layout: Layout
  readonly pages: readonly SealedPart[]
  readonly pageExtents: ReadonlyMap<string, readonly Extent[]>
}

/** The layout of extents that fit into a manifest, or of any that are only read. */
export function inlineLayout(extents: readonly Extent[]): Layout {
  return { kind: 'inline', extents }
}

/** Ids of the parts that a layout itself names: of pages alone, where there are any. */
export function partIdsOf(layout: Layout): string[] {
  const named = layout.kind === 'inline' ? layout.extents : layout.pages
  return [...new Set(named.map(({ partId }) => partId))]
}

/** The last page of a layout that has pages: what is appended goes into it. */
export function lastPageOf(layout: Layout): Extent | undefined {
  return layout.kind === 'paged' ? layout.pages.at(-1) : undefined
}

/** The content hash of what a layout holds, where that is not the SHA-256 of the bytes. */
export function layoutHash(layout: Layout): Buffer {
  return layout.kind === 'inline' ? extentsHash(layout.extents) : pagesHash(layout.pages)
}

/**
 * Runs laid over a layout, which is cut at `size`. Only pages that a run or the cut touches are loaded; bytes between two
 * pages, or behind the last, go into the page before them. All other pages stay as they are.
 */
export async function edited(
  layout: Layout,
  over: readonly Laid[],
  size: number,
  load: (page: Extent) => Promise<readonly Extent[]>,
): Promise<Stretch[]> {
  if (layout.kind === 'inline') return [{ extents: layOver(layout.extents, over, size) }]
  const laid = inOrder(over)
  const stretches: Stretch[] = []
  const add = (extents: readonly Extent[]): void => {
    const last = stretches.at(-1)
    if (extents.length === 0) return
    if (last === undefined || 'page' in last) stretches.push({ extents })
    else stretches[stretches.length - 1] = { extents: [...last.extents, ...extents] }
  }
  let next = 0
  for (const [index, page] of layout.pages.entries()) {
    if (page.offset >= size && index > 0) break
    // The first page also takes what lies before it.
    const until = layout.pages[index + 1]?.offset ?? Number.POSITIVE_INFINITY
    const touching: Laid[] = []
    for (let run = laid[next]; run !== undefined && run.offset < until; run = laid[next]) {
      touching.push(run)
      // One that reaches into the next page is that page's too.
      if (run.offset + run.length > until) break
      next++
    }
    if (touching.length === 0 && page.offset + page.length <= size) {
      stretches.push({ page })
      continue
    }
    const end = Math.min(size, until)
    add(layOver(await load(page), clipped(touching, index === 0 ? 0 : page.offset, end), end))
  }
  return stretches
}

/** Parts of runs within [from, to). */
function clipped(runs: readonly Laid[], from: number, to: number): Laid[] {
  return runs.flatMap((run) => {
    const start = Math.max(run.offset, from)
    const end = Math.min(run.offset + run.length, to)
    if (start >= end) return []
    const cut = { ...run, offset: start, length: end - start }
    return [{ ...cut, ...('partOffset' in run ? { partOffset: run.partOffset + (start - run.offset) } : {}) }]
  })
}

/** Seals pages for what needs them: none where all of it fits into a manifest. */
export function paged(tenantId: string, key: UsableKey, stretches: readonly Stretch[]): PagedLayout {
  const only = stretches.length <= 1 ? (stretches[0] ?? { extents: [] }) : undefined
  if (only !== undefined && 'extents' in only && only.extents.length <= EXTENTS_INLINE_MAX) {
    return { layout: inlineLayout(only.extents), pages: [], pageExtents: new Map() }
  }
  const sealed: SealedPart[] = []
  const pageExtents = new Map<string, readonly Extent[]>()
  const listed: Extent[] = []
  for (const [index, stretch] of stretches.entries()) {
    if ('page' in stretch) {
      listed.push(stretch.page)
      continue
    }
    for (const run of inPages(stretch.extents, index === stretches.length - 1)) {
      const page = sealPart(tenantId, key, encodeExtentPage(run))
      const offset = run[0]?.offset ?? 0
      const last = run.at(-1)
      const end = last === undefined ? offset : last.offset + last.length
      sealed.push({ ...page, partIds: [...new Set(run.map(({ partId }) => partId))] })
      pageExtents.set(page.partId, run)
      listed.push({ ...extentOfPart(page, offset), length: end - offset })
    }
  }
  return { layout: { kind: 'paged', pages: listed }, pages: sealed, pageExtents }
}

/** At the end of a file pages are filled, for what is appended next; a page that grew in the middle is halved, with room left. */
function inPages(extents: readonly Extent[], atEnd: boolean): Extent[][] {
  const count = Math.ceil(extents.length / EXTENTS_PER_PAGE)
  const each = atEnd ? EXTENTS_PER_PAGE : Math.ceil(extents.length / Math.max(count, 1))
  return Array.from({ length: count }, (_, index) => extents.slice(index * each, (index + 1) * each))
}
