import type { TenantScope } from '@agentfs/access'
import type { ContentItem } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import { type Database, findPartsOfSmall, findVersions } from '@agentfs/storage'
import { inlineLayout } from '../content/layout.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { ExtentPages } from '../reads/extent-pages.js'
import type { OpenedVersion, VersionOpener } from '../reads/version-opener.js'

/** What small contents are read with. */
export interface SmallContentsTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly opener: VersionOpener
  readonly pages: ExtentPages
  readonly reader: ContentReader
}

/** Reads many small contents with few queries: their extents are laid end to end and read as one. */
export class SmallContents {
  readonly #tools: SmallContentsTools

  constructor(tools: SmallContentsTools) {
    this.#tools = tools
  }

  /** The contents of versions of at most `bytesEach`, in the order asked, while the total stays below `bytesAll`. */
  async read(
    scope: TenantScope,
    agentId: string,
    wanted: readonly { readonly node: string; readonly version: string }[],
    bytesEach: number,
    bytesAll: number,
  ): Promise<ContentItem[]> {
    const { database, vault, opener, pages, reader } = this.#tools
    const nodes = new Map(wanted.map(({ node, version }) => [version, node]))
    const { rows, parts, keys } = await database.withTenant(scope, async (tx) => {
      const [found, beside] = await Promise.all([
        findVersions(tx, agentId, [...nodes.keys()]),
        findPartsOfSmall(tx, agentId, [...nodes.keys()]),
      ])
      const loaded = await vault.load(tx, [...new Set(found.map(({ keyId }) => keyId))])
      return { rows: found, parts: beside, keys: loaded }
    })
    const chosen = []
    let total = 0
    for (const row of rows) {
      // A save by rename passes versions on: the client may know the node by an alias, so the version alone decides.
      if (row.size > bytesEach || total + row.size > bytesAll || !keys.has(row.keyId)) continue
      total += row.size
      chosen.push(row)
    }
    await opener.prefetch(scope, chosen, parts)
    const opened = await Promise.all(chosen.map((row) => opener.open(scope, agentId, row, keys)))
    const extents = await Promise.all(
      opened.map(({ layout, size }) => pages.extents(scope, agentId, layout, 0, size)),
    )
    const laid = inlineLayout(endToEnd(opened, extents))
    const joined = new Uint8Array(await reader.read(scope, agentId, laid, 0, total))
    let at = 0
    return opened.map((version) => {
      const data = joined.subarray(at, (at += version.size))
      return { node: nodes.get(version.versionId) ?? version.nodeId, version: version.versionId, data }
    })
  }
}

function endToEnd(
  versions: readonly OpenedVersion[],
  extentsOfEach: readonly (readonly Extent[])[],
): Extent[] {
  const extents: Extent[] = []
  let start = 0
  for (const [index, { size }] of versions.entries()) {
    for (const extent of extentsOfEach[index] ?? [])
      extents.push({ ...extent, offset: extent.offset + start })
    start += size
  }
  return extents
}
