import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Extent, EXTENTS_PER_PAGE, openExtentPage } from '@agentfs/crypto'
import {
  type Database,
  findKeys,
  findParts,
  type KeyRow,
  type PartRow,
  type TenantTransaction,
} from '@agentfs/storage'
import { overlapping } from '../content/extents.js'
import type { Layout } from '../content/layout.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import { RecentMap } from './recent-map.js'
import type { SealedBytes } from './sealed-bytes.js'

/** Pages kept opened: the extents of 32 GiB, some 15 MB of memory. */
const PAGES_MAX = 128

/** Opens the pages of extents that a read or an edit needs, and no others; those opened are remembered: a part never changes. */
export class ExtentPages {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes
  readonly #opened = new RecentMap<readonly Extent[]>(
    PAGES_MAX * EXTENTS_PER_PAGE,
    (extents) => extents.length,
  )

  constructor(database: Database, vault: KeyVault, sealed: SealedBytes) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
  }

  /** The extents of a layout that overlap [from, to). */
  async extents(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
  ): Promise<readonly Extent[]> {
    if (layout.kind === 'inline') return overlapping(layout.extents, from, to)
    const pages = await this.open(scope, agentId, overlapping(layout.pages, from, to))
    return overlapping(pages.flat(), from, to)
  }

  /** The extents of pages, in their order; `object_corrupt`, naming the page, where one is not what its manifest says. */
  async open(
    scope: TenantScope,
    agentId: string,
    pages: readonly Extent[],
  ): Promise<readonly (readonly Extent[])[]> {
    const missing = pages.filter((page) => this.remembered(scope, page) === undefined)
    const read = new Map<string, readonly Extent[]>()
    if (missing.length > 0) {
      const { rows, keyRows } = await this.#database.readTenant(scope, (tx) =>
        this.#load(tx, agentId, missing),
      )
      const keys = await this.#vault.unwrap(scope, keyRows)
      const parts = new Map(rows.map((row) => [row.partId, row]))
      for (const page of missing) {
        read.set(page.partId, await this.#open(scope, page, parts.get(page.partId), keys.get(page.keyId)))
      }
    }
    return pages.map((page) => read.get(page.partId) ?? this.remembered(scope, page) ?? [])
  }

  /** A page opened before, without I/O: for use under a lock. */
  remembered(scope: TenantScope, page: Extent): readonly Extent[] | undefined {
    return this.#opened.get(`${scope.tenantId}/${page.partId}`)
  }

  /** Notes pages this process just committed. */
  remember(scope: TenantScope, pages: ReadonlyMap<string, readonly Extent[]>): void {
    for (const [partId, extents] of pages) this.#opened.set(`${scope.tenantId}/${partId}`, extents)
  }

  /** Opens a page by the given transaction, for use under a lock; one in the object store is left unopened. */
  async openStaged(tx: TenantTransaction, agentId: string, page: Extent): Promise<void> {
    if (this.remembered(tx.scope, page) !== undefined) return
    const { rows, keyRows } = await this.#load(tx, agentId, [page])
    const [part] = rows
    if ((part?.sealed ?? null) === null) return
    const keys = await this.#vault.unwrapIn(tx, keyRows)
    await this.#open(tx.scope, page, part, keys.get(page.keyId))
  }

  async #open(
    scope: TenantScope,
    page: Extent,
    part: PartRow | undefined,
    key: UsableKey | undefined,
  ): Promise<readonly Extent[]> {
    if (part === undefined || key === undefined) {
      throw new AgentfsError('object_corrupt', {
        objectId: page.partId,
        reason: 'a page of extents is missing',
      })
    }
    const extents = await this.#sealed.open(scope, page.partId, part, (sealed) =>
      openExtentPage({ tenantId: scope.tenantId, ...key }, page, sealed),
    )
    this.remember(scope, new Map([[page.partId, extents]]))
    return extents
  }

  /** Both queries are sent at once, as a read transaction wants them. */
  async #load(
    tx: TenantTransaction,
    agentId: string,
    pages: readonly Extent[],
  ): Promise<{ readonly rows: readonly PartRow[]; readonly keyRows: readonly KeyRow[] }> {
    const partIds = pages.map(({ partId }) => partId)
    const keyIds = [...new Set(pages.map(({ keyId }) => keyId))]
    const [rows, keyRows] = await Promise.all([findParts(tx, agentId, partIds), findKeys(tx, keyIds)])
    return { rows, keyRows }
  }
}
