import type { TenantScope } from '@agentfs/access'
import type { ContentItem } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import { type Database, findVersions } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { OpenedVersion, VersionOpener } from '../reads/version-opener.js'

/** Reads many small contents with few queries: their extents are laid end to end and read as one. */
export class SmallContents {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #opener: VersionOpener
  readonly #reader: ContentReader

  constructor(database: Database, vault: KeyVault, opener: VersionOpener, reader: ContentReader) {
    this.#database = database
    this.#vault = vault
    this.#opener = opener
    this.#reader = reader
  }

  /** The contents of versions of at most `bytesEach`, in the order asked, while the total stays below `bytesAll`. */
  async read(
    scope: TenantScope,
    agentId: string,
    wanted: readonly { readonly node: string; readonly version: string }[],
    bytesEach: number,
    bytesAll: number,
  ): Promise<ContentItem[]> {
    const nodes = new Map(wanted.map(({ node, version }) => [version, node]))
    const { rows, keys } = await this.#database.withTenant(scope, async (tx) => {
      const found = await findVersions(tx, agentId, [...nodes.keys()])
      return { rows: found, keys: await this.#vault.load(tx, [...new Set(found.map(({ keyId }) => keyId))]) }
    })
    const chosen = []
    let total = 0
    for (const row of rows) {
      // A save by rename passes versions on: the client may know the node by an alias, so the version alone decides.
      if (row.size > bytesEach || total + row.size > bytesAll || !keys.has(row.keyId)) continue
      total += row.size
      chosen.push(row)
    }
    const opened = await Promise.all(chosen.map((row) => this.#opener.open(scope, agentId, row, keys)))
    const joined = new Uint8Array(await this.#reader.read(scope, agentId, endToEnd(opened), 0, total))
    let at = 0
    return opened.map((version) => {
      const data = joined.subarray(at, (at += version.size))
      return { node: nodes.get(version.versionId) ?? version.nodeId, version: version.versionId, data }
    })
  }
}

function endToEnd(versions: readonly OpenedVersion[]): Extent[] {
  const extents: Extent[] = []
  let start = 0
  for (const { extents: own, size } of versions) {
    for (const extent of own) extents.push({ ...extent, offset: extent.offset + start })
    start += size
  }
  return extents
}
