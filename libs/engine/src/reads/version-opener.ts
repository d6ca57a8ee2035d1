import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import {
  decodeExtentPage,
  type Extent,
  type Manifest,
  openManifest,
  openObject,
  verifyPagedExtents,
} from '@agentfs/crypto'
import {
  type Database,
  findParts,
  type PartRow,
  type TenantTransaction,
  type VersionRow,
  type WithKey,
} from '@agentfs/storage'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import { RecentMap } from './recent-map.js'
import type { SealedBytes } from './sealed-bytes.js'

/** A version with its manifest opened and all its extents at hand. */
export interface OpenedVersion {
  readonly versionId: string
  readonly nodeId: string
  readonly keyId: string
  readonly number: number
  readonly size: number
  readonly extents: readonly Extent[]
  readonly contentHash: Uint8Array
  readonly contentMac: Uint8Array
}

/** Page parts of a manifest, with the keys that open them. */
interface LoadedPages {
  readonly parts: ReadonlyMap<string, PartRow>
  readonly keys: ReadonlyMap<string, UsableKey>
}

/** Opens manifests, and remembers those opened: a version never changes. */
export class VersionOpener {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes
  readonly #opened = new RecentMap<OpenedVersion>(4096)

  constructor(database: Database, vault: KeyVault, sealed: SealedBytes) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
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
    if (row.sealed === null || row.openingKeyId === null) return
    if (this.remembered(scope, row.versionId) !== undefined) return
    const keyRow = { keyId: row.openingKeyId, keyVersion: row.keyVersion, wrapped: row.wrapped }
    const [key] = (await this.#vault.unwrap(scope, [keyRow])).values()
    if (key === undefined) return
    const manifest = openManifest({ tenantId: scope.tenantId, ...key }, row.versionId, row.sealed)
    const loaded =
      manifest.extents.kind === 'paged'
        ? await this.#pageParts(tx, agentId, manifest.extents.pages)
        : undefined
    if (loaded !== undefined && [...loaded.parts.values()].some(({ sealed }) => sealed === null)) return
    const extents = await this.#extents(scope, manifest, loaded)
    this.remember(scope, { ...openedOf(row, manifest), extents })
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
    const known = this.remembered(scope, row.versionId)
    if (known !== undefined) return known
    const sealed = await this.#sealed.get(scope, row.versionId, row)
    const manifest = openManifest({ tenantId: scope.tenantId, ...key }, row.versionId, sealed)
    const listed = manifest.extents
    const loaded =
      listed.kind === 'paged'
        ? await this.#database.withTenant(scope, (tx) => this.#pageParts(tx, agentId, listed.pages))
        : undefined
    const opened = { ...openedOf(row, manifest), extents: await this.#extents(scope, manifest, loaded) }
    this.remember(scope, opened)
    return opened
  }

  async #extents(
    scope: TenantScope,
    manifest: Manifest,
    loaded: LoadedPages | undefined,
  ): Promise<readonly Extent[]> {
    if (manifest.extents.kind === 'inline') return manifest.extents.extents
    const extents: Extent[] = []
    for (const page of manifest.extents.pages) {
      const part = loaded?.parts.get(page.partId)
      const key = loaded?.keys.get(page.keyId)
      if (part === undefined || key === undefined) {
        throw new AgentfsError('object_corrupt', {
          objectId: page.partId,
          reason: 'a page of extents is missing',
        })
      }
      const sealed = await this.#sealed.get(scope, page.partId, part)
      const binding = { kind: 'part', tenantId: scope.tenantId, objectId: page.partId, ...key } as const
      extents.push(...decodeExtentPage(page, openObject(binding, sealed)))
    }
    verifyPagedExtents(manifest, extents)
    return extents
  }

  async #pageParts(tx: TenantTransaction, agentId: string, pages: readonly Extent[]): Promise<LoadedPages> {
    const rows = await findParts(
      tx,
      agentId,
      pages.map(({ partId }) => partId),
    )
    const keys = await this.#vault.load(tx, [...new Set(pages.map(({ keyId }) => keyId))])
    return { parts: new Map(rows.map((row) => [row.partId, row])), keys }
  }
}

/** What a row and its manifest say together; `object_corrupt` where they differ. */
function openedOf(row: VersionRow, manifest: Manifest): Omit<OpenedVersion, 'extents'> {
  if (manifest.number !== row.number || manifest.size !== row.size) {
    throw new AgentfsError('object_corrupt', { objectId: row.versionId, reason: 'manifest and row differ' })
  }
  const { versionId, nodeId, keyId, number, size, contentMac } = row
  return { versionId, nodeId, keyId, number, size, contentHash: manifest.contentHash, contentMac }
}
