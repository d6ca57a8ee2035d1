import { leafHash } from '@agentfs/audit'
import type { TenantScope } from '@agentfs/access'
import { freeBytes } from '@agentfs/contracts'
import {
  contentMac,
  type Extent,
  extentsHash,
  openManifest,
  openObject,
  openRecordBlock,
  PART_BYTES_MAX,
  sameContentMac,
  verifyPagedExtents,
} from '@agentfs/crypto'
import {
  type CheckedPart,
  type CheckedRecord,
  type CheckedRows,
  CheckStore,
  type CheckedVersion,
  type Database,
  findPartFacts,
} from '@agentfs/storage'
import { hashesBytes, sha256 } from '../content/content-hash.js'
import type { Layout } from '../content/layout.js'
import { macKeyOf } from '../content/seal-part.js'
import { KeyVault, type UsableKey } from '../keys/key-vault.js'
import type { TenantResources } from '../ports.js'
import { ContentReader } from '../reads/content-reader.js'
import { ExtentPages } from '../reads/extent-pages.js'
import { SealedBytes } from '../reads/sealed-bytes.js'
import { type Problem, problemOf } from './finding.js'

/** Sealed bytes kept while a segment is checked: its manifests name the parts beside them. */
const CACHE_BYTES = 16 * 1024 ** 2

/** Gives a row's sealed bytes; undefined where the place does not hold them, which was said already. */
export type SealedOf = (row: CheckedPart | CheckedVersion | CheckedRecord) => Uint8Array | undefined

/** Opens what rows point at, and holds it against what the rows say. What was erased is passed over: it is no error. */
export class RowCheck {
  readonly #database: Database
  readonly #store: CheckStore
  readonly #vault: KeyVault
  readonly #pages: ExtentPages
  readonly #reader: ContentReader

  constructor(database: Database, resources: TenantResources) {
    this.#database = database
    this.#store = new CheckStore(database)
    this.#vault = new KeyVault(database, resources)
    const sealed = new SealedBytes(resources, CACHE_BYTES)
    this.#pages = new ExtentPages(database, this.#vault, sealed)
    this.#reader = new ContentReader(database, this.#vault, sealed, this.#pages)
  }

  /** Checks rows against their sealed bytes. */
  async *check(scope: TenantScope, rows: CheckedRows, sealedOf: SealedOf): AsyncGenerator<Problem> {
    const keyIds = [...new Set([...rows.parts, ...rows.versions, ...rows.records].map(({ keyId }) => keyId))]
    const keys = await this.#database.withTenant(scope, (tx) => this.#vault.load(tx, keyIds))
    const erased = await this.#store.erased(
      scope,
      keyIds.filter((keyId) => !keys.has(keyId)),
    )
    const hashes = new Map<string, Buffer>()
    for (const keyId of keyIds) {
      if (!keys.has(keyId) && !erased.has(keyId)) yield { kind: 'missing', problem: `key ${keyId} is gone` }
    }
    for (const row of rows.parts) {
      const [key, sealed] = [keys.get(row.keyId), sealedOf(row)]
      if (key === undefined || sealed === undefined) continue
      const { agentId } = row
      yield* named(() => checkPart(scope, row, key, sealed, hashes), { agentId })
    }
    for (const row of rows.versions) {
      const [key, sealed] = [keys.get(row.keyId), sealedOf(row)]
      if (key === undefined || sealed === undefined) continue
      const { agentId, versionId } = row
      yield* named(() => this.#checkVersion(scope, row, key, sealed, hashes), { agentId, versionId })
    }
    const blocks = new Map<string, CheckedRecord[]>()
    for (const row of rows.records) {
      if (row.blockId !== null) {
        const others = blocks.get(row.blockId)
        if (others === undefined) blocks.set(row.blockId, [row])
        else others.push(row)
        continue
      }
      const [key, sealed] = [keys.get(row.keyId), sealedOf(row)]
      if (key === undefined || sealed === undefined) continue
      yield* named(() => checkRecord(scope, row, key, sealed), {})
    }
    for (const [blockId, held] of blocks) {
      const [first] = held
      const [key, sealed] = first === undefined ? [] : [keys.get(first.keyId), sealedOf(first)]
      if (key === undefined || sealed === undefined) continue
      yield* named(() => checkBlock(scope, blockId, held, key, sealed), {})
    }
  }

  async #checkVersion(
    scope: TenantScope,
    row: CheckedVersion,
    key: UsableKey,
    sealed: Uint8Array,
    hashes: ReadonlyMap<string, Buffer>,
  ): Promise<string | undefined> {
    const { tenantId } = scope
    const manifest = openManifest({ tenantId, ...key }, row.versionId, sealed)
    const same =
      manifest.number === row.number &&
      manifest.size === row.size &&
      manifest.parents.join() === row.parents.join() &&
      manifest.author === row.author
    if (!same) return `manifest ${row.versionId} and its row differ`
    const listed = manifest.extents
    const extents: Extent[] =
      listed.kind === 'inline' ? [...listed.extents] : (await this.#opened(scope, row, listed.pages)).flat()
    if (listed.kind === 'paged' && listed.hashed === 'extents') verifyPagedExtents(manifest, extents)
    const wrong = await this.#checkExtents(scope, row, [
      ...extents,
      ...(listed.kind === 'paged' ? listed.pages.map((page) => ({ ...page, length: 0 })) : []),
    ])
    if (wrong !== undefined) return wrong
    const layout: Layout = listed.kind === 'inline' ? listed : { kind: 'paged', pages: listed.pages }
    if (!hashesBytes(row.size, layout)) {
      const hashed = row.size <= PART_BYTES_MAX && listed.kind === 'inline'
      const matches = !hashed || extentsHash(extents).equals(manifest.contentHash)
      return matches ? undefined : `manifest ${row.versionId}: its content hash is another`
    }
    const [only] = extents
    const known = only?.partOffset === 0 && only.length === row.size ? hashes.get(only.partId) : undefined
    const hash = known ?? (await this.#hash(scope, row, layout))
    const matches = hash === undefined || hash.equals(manifest.contentHash)
    return matches ? undefined : `version ${row.versionId}: the content is not what its manifest says`
  }

  async #opened(scope: TenantScope, row: CheckedVersion, pages: readonly Extent[]): Promise<Extent[][]> {
    const opened = await this.#pages.open(scope, row.agentId, pages)
    return opened.map((page) => [...page])
  }

  /** Hash of the content; undefined where it was erased. */
  async #hash(scope: TenantScope, row: CheckedVersion, layout: Layout): Promise<Buffer | undefined> {
    try {
      return sha256(await this.#reader.read(scope, row.agentId, layout, 0, row.size))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'not_found') return undefined
      throw error
    }
  }

  /** The parts that extents lie in must be there, and as the manifest knows them. */
  async #checkExtents(
    scope: TenantScope,
    row: CheckedVersion,
    extents: readonly Extent[],
  ): Promise<string | undefined> {
    const partIds = [...new Set(extents.map(({ partId }) => partId))]
    const facts = await this.#database.withTenant(scope, (tx) => findPartFacts(tx, row.agentId, partIds))
    const byId = new Map(facts.map((fact) => [fact.partId, fact]))
    for (const { partId, keyId, mac, partOffset, length } of extents) {
      const part = byId.get(partId)
      if (part === undefined) return `version ${row.versionId} needs part ${partId}, which is gone`
      const fits =
        part.keyId === keyId && sameContentMac(part.contentMac, mac) && partOffset + length <= part.size
      if (!fits) return `version ${row.versionId} needs another part than part ${partId} is`
    }
    return undefined
  }
}

function checkPart(
  { tenantId }: TenantScope,
  row: CheckedPart,
  key: UsableKey,
  sealed: Uint8Array,
  hashes: Map<string, Buffer>,
): string | undefined {
  const plain = openObject({ kind: 'part', tenantId, objectId: row.partId, ...key }, sealed)
  if (plain.length !== row.size) return `part ${row.partId} has ${plain.length} bytes, not ${row.size}`
  if (!sameContentMac(contentMac(macKeyOf(key), plain), row.contentMac))
    return `the bytes of part ${row.partId} are not those that were written (keyed hash)`
  hashes.set(row.partId, sha256(plain))
  freeBytes(plain)
  return undefined
}

function checkRecord(
  { tenantId }: TenantScope,
  row: CheckedRecord,
  key: UsableKey,
  sealed: Uint8Array,
): string | undefined {
  const plain = openObject({ kind: 'record', tenantId, objectId: row.recordId, ...key }, sealed)
  return leafHash(plain).equals(row.leaf) ? undefined : notInLog(row)
}

/** Every row must find its record in the block, and with the bytes that its leaf is over. */
function checkBlock(
  { tenantId }: TenantScope,
  blockId: string,
  rows: readonly CheckedRecord[],
  key: UsableKey,
  sealed: Uint8Array,
): string | undefined {
  const texts = new Map(
    openRecordBlock({ tenantId, ...key }, blockId, sealed).map((record) => [record.recordId, record]),
  )
  for (const row of rows) {
    const found = texts.get(row.recordId)
    if (found?.seq !== row.seq)
      return `record ${row.seq} of stream ${row.streamId} is not in block ${blockId}`
    if (!leafHash(found.text).equals(row.leaf)) return notInLog(row)
  }
  return undefined
}

function notInLog({ seq, streamId }: CheckedRecord): string {
  return `record ${seq} of stream ${streamId} is not the one that its log has`
}

/** Runs one check, and turns what it says or throws into a problem. */
async function* named(
  check: () => Promise<string | undefined> | string | undefined,
  where: Pick<Problem, 'agentId' | 'versionId'>,
): AsyncGenerator<Problem> {
  let problem: string | undefined
  try {
    problem = await check()
  } catch (error) {
    problem = problemOf(error)
  }
  if (problem !== undefined) yield { kind: 'damaged', problem, ...where }
}
