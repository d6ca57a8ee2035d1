import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Manifest, openManifest, verifyPagedExtents } from '@agentfs/crypto'
import {
  openingKeysOf,
  type PartOfSmall,
  type TenantTransaction,
  type VersionRow,
  type WithKey,
} from '@agentfs/storage'
import { cutAt } from '../content/extents.js'
import { inlineLayout, lastPageOf, type Layout } from '../content/layout.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { ExtentPages } from './extent-pages.js'
import { RecentMap } from './recent-map.js'
import type { SealedBytes } from './sealed-bytes.js'

/**
 * A version with its manifest opened; its pages of extents, where it has some, are opened by who needs them. Of the beginning
 * of another version all extents are here.
 */
export interface OpenedVersion {
  readonly versionId: string
  readonly nodeId: string
  readonly keyId: string
  readonly number: number
  readonly size: number
  readonly layout: Layout
  /** Null where the version is the beginning of another one. */
  readonly contentHash: Uint8Array | null
  readonly contentMac: Uint8Array
}

/** Parts that remembered versions name together, a version counted as one: some 10 MB of memory. */
const NAMED_PARTS_MAX = 32_768

/** Opens manifests, and remembers those opened: a version never changes. */
export class VersionOpener {
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes
  readonly #pages: ExtentPages
  readonly #opened = new RecentMap<OpenedVersion>(
    NAMED_PARTS_MAX,
    ({ layout }) => 1 + (layout.kind === 'inline' ? layout.extents : layout.pages).length,
  )

  constructor(vault: KeyVault, sealed: SealedBytes, pages: ExtentPages) {
    this.#vault = vault
    this.#sealed = sealed
    this.#pages = pages
  }

  /** A version opened before, without I/O: for use under a lock. */
  remembered(scope: TenantScope, versionId: string): OpenedVersion | undefined {
    return this.#opened.get(`${scope.tenantId}/${versionId}`)
  }

  /** Notes a version this process just committed. */
  remember(scope: TenantScope, version: OpenedVersion): void {
    this.#opened.set(`${scope.tenantId}/${version.versionId}`, version)
  }

  /**
   * Opens a manifest that came with its key, for use under a lock: all it needs is read by the given transaction. What is
   * in the object store already is left unopened.
   */
  async openStaged(tx: TenantTransaction, agentId: string, row: WithKey<VersionRow>): Promise<void> {
    const { scope } = tx
    const known = this.remembered(scope, row.versionId) ?? (await this.#openedStaged(scope, row))
    // An append goes into the last page.
    const last = known === undefined ? undefined : lastPageOf(known.layout)
    if (last !== undefined) await this.#pages.openStaged(tx, agentId, last)
  }

  async #openedStaged(scope: TenantScope, row: WithKey<VersionRow>): Promise<OpenedVersion | undefined> {
    if (row.sealed === null || row.prefixOf !== null) return undefined
    const [key] = (await this.#vault.unwrap(scope, openingKeysOf([row]))).values()
    if (key === undefined) return undefined
    const manifest = openManifest({ tenantId: scope.tenantId, ...key }, row.versionId, row.sealed)
    // A manifest of the first releases needs all its pages to be believed: that is left to another preparation.
    if (manifest.extents.kind === 'paged' && manifest.extents.hashed === 'extents') return undefined
    const opened = openedOf(row, manifest)
    this.remember(scope, opened)
    return opened
  }

  /**
   * Fetches the manifests of versions that are not remembered, with the parts of the small ones among them: neighbours of
   * one segment come in one request, and whoever opens and reads them then asks the object store for nothing.
   */
  async prefetch(
    scope: TenantScope,
    rows: readonly VersionRow[],
    parts: readonly PartOfSmall[],
  ): Promise<void> {
    const manifests = rows
      .filter(
        ({ versionId, prefixOf }) => prefixOf === null && this.remembered(scope, versionId) === undefined,
      )
      .map((row) => ({ ...row, id: row.versionId }))
    const wanted = new Set(rows.map(({ versionId }) => versionId))
    const theirs = parts.filter(({ versionId }) => wanted.has(versionId))
    await this.#sealed.prefetch(scope, [
      ...manifests,
      ...theirs.map((part) => ({ ...part, id: part.partId })),
    ])
  }

  /**
   * Opens a version's manifest with a key that was just read. Throws `object_corrupt`, naming the version, where it is not
   * what its row says, and `not_found` where its key was erased.
   */
  async open(
    scope: TenantScope,
    agentId: string,
    row: VersionRow,
    keys: ReadonlyMap<string, UsableKey>,
  ): Promise<OpenedVersion> {
    const key = keys.get(row.keyId)
    if (key === undefined) throw new AgentfsError('not_found', { detail: 'the content was erased' })
    // As it was before it became the beginning of another one it may name parts that are gone by now.
    const name = row.prefixOf === null ? row.versionId : `${row.versionId} of ${row.prefixOf}`
    const known = this.remembered(scope, name)
    if (known !== undefined) return known
    const manifestOf = row.prefixOf ?? row.versionId
    const manifest = await this.#sealed.open(scope, manifestOf, row, (sealed) =>
      openManifest({ tenantId: scope.tenantId, ...key }, manifestOf, sealed),
    )
    if (manifest.extents.kind === 'paged' && manifest.extents.hashed === 'extents') {
      const extents = await this.#pages.open(scope, agentId, manifest.extents.pages)
      verifyPagedExtents(manifest, extents.flat())
    }
    const opened =
      row.prefixOf === null ? openedOf(row, manifest) : await this.#beginning(scope, agentId, row, manifest)
    this.#opened.set(`${scope.tenantId}/${name}`, opened)
    return opened
  }

  /** The first bytes of another version, whose manifest is given. Its own content hash is gone with its own manifest. */
  async #beginning(
    scope: TenantScope,
    agentId: string,
    row: VersionRow,
    { size: available, extents }: Manifest,
  ): Promise<OpenedVersion> {
    const { versionId, nodeId, keyId, number, size, contentMac } = row
    if (available < size) {
      throw new AgentfsError('object_corrupt', { objectId: versionId, reason: 'longer than what it begins' })
    }
    const layout = extents.kind === 'inline' ? extents : ({ kind: 'paged', pages: extents.pages } as const)
    const within = await this.#pages.extents(scope, agentId, layout, 0, size)
    const cut = inlineLayout(cutAt(within, size))
    return { versionId, nodeId, keyId, number, size, layout: cut, contentHash: null, contentMac }
  }
}

/** What a row and its manifest say together; `object_corrupt` where they differ. */
function openedOf(row: VersionRow, manifest: Manifest): OpenedVersion {
  if (manifest.number !== row.number || manifest.size !== row.size) {
    throw new AgentfsError('object_corrupt', { objectId: row.versionId, reason: 'manifest and row differ' })
  }
  const { versionId, nodeId, keyId, number, size, contentMac } = row
  const { contentHash, extents } = manifest
  const layout = extents.kind === 'inline' ? extents : ({ kind: 'paged', pages: extents.pages } as const)
  return { versionId, nodeId, keyId, number, size, layout, contentHash, contentMac }
}
