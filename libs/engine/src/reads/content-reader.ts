import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { contentMac, type Extent, openObjectSlice, sameContentMac, type SealedSlice } from '@agentfs/crypto'
import { type Database, findKeys, findParts, type KeyRow, type PartRow } from '@agentfs/storage'
import { overlapping } from '../content/extents.js'
import type { Layout } from '../content/layout.js'
import { openPartAside, opensAside } from '../content/parts-aside.js'
import { macKeyOf } from '../content/seal-part.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { ExtentPages } from './extent-pages.js'
import type { OpenedParts } from './opened-parts.js'
import type { SealedBytes, Use } from './sealed-bytes.js'

/** Bytes that a streamed read gives at once. */
const READ_WINDOW_BYTES = 1_048_576
/** Windows that are under way at once: more would hide more latency, and hold more memory for a slow reader. */
const READ_AHEAD_WINDOWS = 3
/** Windows whose rows are read together. Each time the keys are looked at again: what is erased is not read much further. */
const ROWS_WINDOWS = 4

/** The rows of the parts that a range needs, and their keys. */
interface Rows {
  readonly wanted: readonly Extent[]
  readonly parts: ReadonlyMap<string, PartRow>
  readonly keys: ReadonlyMap<string, UsableKey>
  /** Whole parts that were opened before. */
  readonly opened: ReadonlyMap<string, Buffer>
}

/** Rows that a read brings with it. Keys are those that hold at this very read. */
export interface RowsAtHand {
  readonly parts: readonly PartRow[]
  readonly keys: readonly KeyRow[]
}

/** Reads content through its extents: only the chunks that hold the range are opened, and whole parts are checked. */
export class ContentReader {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #sealed: SealedBytes
  readonly #pages: ExtentPages
  readonly #opened: OpenedParts | undefined

  /** With `opened` small parts stay open; without it every read opens what is stored. */
  constructor(
    database: Database,
    vault: KeyVault,
    sealed: SealedBytes,
    pages: ExtentPages,
    opened?: OpenedParts,
  ) {
    this.#database = database
    this.#vault = vault
    this.#sealed = sealed
    this.#pages = pages
    this.#opened = opened
  }

  /** The bytes from `from` to `to`; holes are zeros. For ranges that fit in memory, and not to be changed. */
  async read(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
    use: Use = 'keep',
    atHand?: RowsAtHand,
  ): Promise<Buffer> {
    return this.#fill(scope, await this.#rows(scope, agentId, layout, from, to, atHand), from, to, use)
  }

  /** The same as a stream of windows. */
  async *stream(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array> {
    const ahead: Promise<Uint8Array>[] = []
    let at = from
    let rows: Promise<Rows> | undefined
    let rowsEnd = from
    for (;;) {
      while (at < to && ahead.length < READ_AHEAD_WINDOWS) {
        // Windows end at multiples of their size, where parts of large files do.
        const end = windowEnd(at, 1, to)
        if (rows === undefined || at >= rowsEnd) {
          rowsEnd = windowEnd(at, ROWS_WINDOWS, to)
          rows = this.#rows(scope, agentId, layout, at, rowsEnd)
        }
        const reading = this.#window(scope, rows, at, end)
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

  async #window(scope: TenantScope, rows: Promise<Rows>, from: number, to: number): Promise<Uint8Array> {
    return this.#fill(scope, await rows, from, to, 'once')
  }

  async #fill(scope: TenantScope, rows: Rows, from: number, to: number, use: Use): Promise<Buffer> {
    const wanted = overlapping(rows.wanted, from, to)
    const [only] = wanted
    // A window of a large file is one part: what was opened is given on as it is.
    if (only !== undefined && only.offset <= from && only.offset + only.length >= to) {
      return this.#open(scope, only, rows, only.partOffset + (from - only.offset), to - from, use)
    }
    const bytes = Buffer.alloc(to - from)
    for (const extent of wanted) {
      const start = Math.max(from, extent.offset)
      const end = Math.min(to, extent.offset + extent.length)
      const partFrom = extent.partOffset + (start - extent.offset)
      bytes.set(await this.#open(scope, extent, rows, partFrom, end - start, use), start - from)
    }
    return bytes
  }

  async #rows(
    scope: TenantScope,
    agentId: string,
    layout: Layout,
    from: number,
    to: number,
    atHand?: RowsAtHand,
  ): Promise<Rows> {
    const wanted = await this.#pages.extents(scope, agentId, layout, from, to)
    if (wanted.length === 0) return { wanted, parts: new Map(), opened: new Map(), keys: new Map() }
    return { wanted, ...(await this.#load(scope, agentId, wanted, atHand)) }
  }

  async #load(
    scope: TenantScope,
    agentId: string,
    extents: readonly Extent[],
    atHand: RowsAtHand | undefined,
  ): Promise<Omit<Rows, 'wanted'>> {
    const keyIds = [...new Set(extents.map(({ keyId }) => keyId))]
    if (atHand !== undefined && keyIds.every((id) => atHand.keys.some(({ keyId }) => keyId === id))) {
      const keys = await this.#vault.unwrap(scope, atHand.keys)
      const opened = this.#openedOf(scope, extents, keys)
      const parts = byId(atHand.parts)
      if (extents.every(({ partId }) => opened.has(partId) || parts.has(partId)))
        return { parts, opened, keys }
    }
    const partIds = [...new Set(extents.map(({ partId }) => partId))]
    const [rows, keyRows] = await this.#database.readTenant(scope, (tx) =>
      Promise.all([findParts(tx, agentId, partIds), findKeys(tx, keyIds)]),
    )
    const keys = await this.#vault.unwrap(scope, keyRows)
    return { parts: byId(rows), opened: this.#openedOf(scope, extents, keys), keys }
  }

  #openedOf(
    scope: TenantScope,
    extents: readonly Extent[],
    keys: ReadonlyMap<string, UsableKey>,
  ): Map<string, Buffer> {
    const opened = new Map<string, Buffer>()
    for (const extent of extents) {
      const key = keys.get(extent.keyId)
      const bytes = key === undefined ? undefined : this.#opened?.get(scope, extent, key.key)
      if (bytes !== undefined) opened.set(extent.partId, bytes)
    }
    return opened
  }

  async #open(
    scope: TenantScope,
    extent: Extent,
    { parts, opened, keys }: Rows,
    from: number,
    length: number,
    use: Use,
  ): Promise<Buffer> {
    const key = keys.get(extent.keyId)
    if (key === undefined) throw new AgentfsError('not_found', { detail: 'the content was erased' })
    const known = opened.get(extent.partId)
    if (known !== undefined) return known.subarray(from, from + length)
    const part = parts.get(extent.partId)
    if (part === undefined || !sameContentMac(part.contentMac, extent.mac))
      throw corrupt(extent, 'missing or swapped')
    const range = { from, length }
    const bytes = await this.#sealed.openRange(
      scope,
      extent.partId,
      part,
      range,
      (slice, alone) => openChecked(scope, key, extent, part, { slice, alone }, range),
      use,
    )
    if (use === 'keep' && length === part.size) this.#opened?.set(scope, extent, key.key, bytes)
    return bytes
  }
}

/** Sealed bytes, and whether they may be given away. */
interface Fetched {
  readonly slice: SealedSlice
  readonly alone: boolean
}

/** Opens a range of a part; a whole part is checked against the keyed hash that the manifest has of it. */
async function openChecked(
  { tenantId }: TenantScope,
  key: UsableKey,
  extent: Extent,
  part: PartRow,
  fetched: Fetched,
  range: { readonly from: number; readonly length: number },
): Promise<Buffer> {
  const whole = range.length === part.size
  const { bytes, contentMac: mac } = await openedBytes(tenantId, key, extent.partId, fetched, range, whole)
  if (bytes.length !== range.length) throw corrupt(extent, 'too short')
  if (mac !== null && !sameContentMac(mac, extent.mac)) throw corrupt(extent, 'keyed hash')
  return bytes
}

async function openedBytes(
  tenantId: string,
  key: UsableKey,
  partId: string,
  { slice, alone }: Fetched,
  range: { readonly from: number; readonly length: number },
  whole: boolean,
): Promise<{ readonly bytes: Buffer; readonly contentMac: Uint8Array | null }> {
  if (slice.from === 0 && slice.bytes.length === slice.sealedLength && opensAside(range.length)) {
    const result = await openPartAside(tenantId, key, partId, slice.bytes, range, alone)
    const { buffer, byteOffset, byteLength } = result.bytes
    return {
      bytes: Buffer.from(buffer, byteOffset, byteLength),
      contentMac: whole ? result.contentMac : null,
    }
  }
  const bytes = openObjectSlice(
    { kind: 'part', tenantId, objectId: partId, ...key },
    slice,
    range.from,
    range.length,
  )
  return { bytes, contentMac: whole ? contentMac(macKeyOf(key), bytes) : null }
}

function byId(rows: readonly PartRow[]): Map<string, PartRow> {
  return new Map(rows.map((row) => [row.partId, row]))
}

/** Where some windows from a place on end: at a multiple of a window's size. */
function windowEnd(at: number, windows: number, to: number): number {
  return Math.min(to, (Math.floor(at / READ_WINDOW_BYTES) + windows) * READ_WINDOW_BYTES)
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
