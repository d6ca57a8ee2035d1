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
import { type Database, findParts, type TenantTransaction, type VersionRow } from '@agentfs/storage'
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
    if (manifest.number !== row.number || manifest.size !== row.size) {
      throw new AgentfsError('object_corrupt', { objectId: row.versionId, reason: 'manifest and row differ' })
    }
    const opened: OpenedVersion = {
      versionId: row.versionId,
      nodeId: row.nodeId,
      keyId: row.keyId,
      number: row.number,
      size: row.size,
      extents: await this.#extents(scope, agentId, manifest),
      contentHash: manifest.contentHash,
      contentMac: row.contentMac,
    }
    this.remember(scope, opened)
    return opened
  }

  async #extents(scope: TenantScope, agentId: string, manifest: Manifest): Promise<readonly Extent[]> {
    if (manifest.extents.kind === 'inline') return manifest.extents.extents
    const { pages } = manifest.extents
    const { parts, keys } = await this.#database.withTenant(scope, async (tx) =>
      this.#pageParts(tx, agentId, pages),
    )
    const extents: Extent[] = []
    for (const page of pages) {
      const part = parts.get(page.partId)
      const key = keys.get(page.keyId)
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

  async #pageParts(tx: TenantTransaction, agentId: string, pages: readonly Extent[]) {
    const rows = await findParts(
      tx,
      agentId,
      pages.map(({ partId }) => partId),
    )
    const keys = await this.#vault.load(tx, [...new Set(pages.map(({ keyId }) => keyId))])
    return { parts: new Map(rows.map((row) => [row.partId, row])), keys }
  }
}
