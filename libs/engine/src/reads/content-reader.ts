import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { contentMac, type Extent, openObjectSlice, sameContentMac } from '@agentfs/crypto'
import { type Database, findKeys, findParts, type PartRow } from '@agentfs/storage'
import type { Layout } from '../content/layout.js'
import { macKeyOf } from '../content/seal-part.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { ExtentPages } from './extent-pages.js'
import type { RowsAhead } from './read-ahead.js'
import type { SealedBytes, Use } from './sealed-bytes.js'

/** Bytes that a streamed read gives at once. */
const READ_WINDOW_BYTES = 1_048_576
/** Windows that are under way at once: more would hide more latency, and hold more memory for a slow reader. */
const READ_AHEAD_WINDOWS = 3

/** Reads content through its extents: only the chunks that hold the range are opened, and whole parts are checked. */
export class ContentReader {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes
  readonly #pages: ExtentPages

  constructor(database: Database, vault: KeyVault, sealed: SealedBytes, pages: ExtentPages) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
    this.#pages = pages
  }

  /** The bytes from `from` to `to`; holes are zeros. For ranges that fit in memory. `ahead` spares a look for what it holds. */
  async read(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
    use: Use = 'keep',
    ahead?: RowsAhead,
  ): Promise<Buffer> {
    const bytes = Buffer.alloc(to - from)
    const wanted = await this.#pages.extents(scope, agentId, layout, from, to)
    if (wanted.length === 0) return bytes
    const { parts, keys } = await this.#load(scope, agentId, wanted, ahead)
    for (const extent of wanted) {
      const start = Math.max(from, extent.offset)
      const end = Math.min(to, extent.offset + extent.length)
      const partFrom = extent.partOffset + (start - extent.offset)
      const plain = await this.#open(scope, extent, parts, keys, partFrom, end - start, use)
      bytes.set(plain, start - from)
    }
    return bytes
  }

  /** The same as a stream of windows. */
  async *stream(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array> {
    const ahead: Promise<Buffer>[] = []
    let at = from
    for (;;) {
      while (at < to && ahead.length < READ_AHEAD_WINDOWS) {
        // Windows end at multiples of their size, where parts of large files do.
        const end = Math.min(to, (Math.floor(at / READ_WINDOW_BYTES) + 1) * READ_WINDOW_BYTES)
        const reading = this.read(scope, agentId, layout, at, end, 'once')
        // Whoever stops consuming leaves some of these behind; a failure is thrown where its bytes are due.
        reading.catch(() => undefined)
        ahead.push(reading)
        at = end
      }
      const next = ahead.shift()
      if (next === undefined) return
      yield await next
    }
  }

  async #load(
    scope: TenantScope,
    agentId: string,
    extents: readonly Extent[],
    ahead: RowsAhead | undefined,
  ): Promise<{ parts: Map<string, PartRow>; keys: Map<string, UsableKey> }> {
    const partIds = [...new Set(extents.map(({ partId }) => partId))]
    const keyIds = [...new Set(extents.map(({ keyId }) => keyId))]
    const isAhead =
      ahead !== undefined &&
      partIds.every((id) => ahead.parts.some(({ partId }) => partId === id)) &&
      keyIds.every((id) => ahead.keys.some(({ keyId }) => keyId === id))
    const [rows, keyRows] = isAhead
      ? [ahead.parts, ahead.keys]
      : await this.#database.readTenant(scope, (tx) =>
          Promise.all([findParts(tx, agentId, partIds), findKeys(tx, keyIds)]),
        )
    return {
      parts: new Map(rows.map((row) => [row.partId, row])),
      keys: await this.#vault.unwrap(scope, keyRows),
    }
  }

  async #open(
    scope: TenantScope,
    extent: Extent,
    parts: ReadonlyMap<string, PartRow>,
    keys: ReadonlyMap<string, UsableKey>,
    from: number,
    length: number,
    use: Use,
  ): Promise<Buffer> {
    const key = keys.get(extent.keyId)
    if (key === undefined) throw new AgentfsError('not_found', { detail: 'the content was erased' })
    const part = parts.get(extent.partId)
    if (part === undefined || !sameContentMac(part.contentMac, extent.mac))
      throw corrupt(extent, 'missing or swapped')
    const binding = { kind: 'part', tenantId: scope.tenantId, objectId: extent.partId, ...key } as const
    const plain = await this.#sealed.openRange(
      scope,
      extent.partId,
      part,
      { from, length },
      (slice) => openObjectSlice(binding, slice, from, length),
      use,
    )
    if (plain.length !== length) throw corrupt(extent, 'too short')
    if (length === part.size && !sameContentMac(contentMac(macKeyOf(key), plain), extent.mac)) {
      throw corrupt(extent, 'keyed hash')
    }
    return plain
  }
}

function corrupt(extent: Extent, reason: string): AgentfsError {
  return new AgentfsError('object_corrupt', {
    objectKind: 'part',
    objectId: extent.partId,
    keyId: extent.keyId,
    reason,
    detail: `part ${extent.partId} is damaged: ${reason}`,
  })
}
