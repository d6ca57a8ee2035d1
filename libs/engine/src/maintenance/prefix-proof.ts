import type { TenantScope } from '@agentfs/access'
import { isAgentfsError, PART_BYTES_MAX } from '@agentfs/contracts'
import type { Database, VersionRow } from '@agentfs/storage'
import { differingRuns } from '../content/extents.js'
import { KeyVault, type UsableKey } from '../keys/key-vault.js'
import type { TenantResources } from '../ports.js'
import { ContentReader } from '../reads/content-reader.js'
import { ExtentPages } from '../reads/extent-pages.js'
import { SealedBytes } from '../reads/sealed-bytes.js'
import { type OpenedVersion, VersionOpener } from '../reads/version-opener.js'

/** Sealed bytes kept: the tails that neighbours share. */
const CACHE_BYTES = 16 * 1024 ** 2

/**
 * Proves that the content of one version is the beginning of another's: where both lie in the same bytes of the same parts
 * that is all; where an append joined the tail into another part both are read, opened and compared. Each byte is so read
 * about as often as appends rewrote it.
 */
export class PrefixProof {
  readonly #pages: ExtentPages
  readonly #opener: VersionOpener
  readonly #reader: ContentReader

  constructor(database: Database, resources: TenantResources) {
    const vault = new KeyVault(database, resources)
    const sealed = new SealedBytes(resources, CACHE_BYTES)
    this.#pages = new ExtentPages(database, vault, sealed)
    this.#opener = new VersionOpener(vault, sealed, this.#pages)
    this.#reader = new ContentReader(database, vault, sealed, this.#pages)
  }

  /** Opens a version; undefined for one that is gone, erased or damaged: nothing is proven by it. */
  async open(
    scope: TenantScope,
    agentId: string,
    row: VersionRow | undefined,
    keys: ReadonlyMap<string, UsableKey>,
  ): Promise<OpenedVersion | undefined> {
    if (row === undefined) return undefined
    return this.#opener.open(scope, agentId, row, keys).catch(nothingOfDamage)
  }

  /** True only where the bytes of the first are those that the next begins with. */
  async begins(
    scope: TenantScope,
    agentId: string,
    first: OpenedVersion | undefined,
    next: OpenedVersion | undefined,
  ): Promise<boolean> {
    if (first === undefined || next === undefined || next.size < first.size) return false
    return (await this.#compare(scope, agentId, first, next).catch(nothingOfDamage)) ?? false
  }

  async #compare(
    scope: TenantScope,
    agentId: string,
    first: OpenedVersion,
    next: OpenedVersion,
  ): Promise<boolean> {
    const { size } = first
    const [left, right] = await Promise.all(
      [first, next].map(({ layout }) => this.#pages.extents(scope, agentId, layout, 0, size)),
    )
    for (const { from, to } of differingRuns(left ?? [], right ?? [], size)) {
      for (let at = from; at < to; at += PART_BYTES_MAX) {
        const end = Math.min(to, at + PART_BYTES_MAX)
        const bytes = await this.#reader.read(scope, agentId, first.layout, at, end)
        if (!bytes.equals(await this.#reader.read(scope, agentId, next.layout, at, end))) return false
      }
    }
    return true
  }
}

/** What cannot be read proves nothing; it is for a check to report. */
function nothingOfDamage(error: unknown): undefined {
  if (isAgentfsError(error, 'object_corrupt') || isAgentfsError(error, 'not_found')) return undefined
  throw error
}
