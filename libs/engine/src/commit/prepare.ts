import type { TenantScope } from '@agentfs/access'
import { type Extent as WireExtent, type Operation, PART_BYTES_MAX } from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import {
  type Database,
  findPrepareFacts,
  type PrepareFacts,
  type PrepareNeeds,
  type PrepareNode,
} from '@agentfs/storage'
import { type ContentOperation, isContentOperation } from '@agentfs/tree'
import type { BuiltVersion } from '../content/built-content.js'
import type { SealedPart } from '../content/sealed-part.js'
import { hashesBytes, sha256 } from '../content/content-hash.js'
import { covers, cutAt, type Laid } from '../content/extents.js'
import {
  edited,
  inlineLayout,
  lastPageOf,
  type Layout,
  layoutHash,
  paged,
  type Stretch,
  partIdsOf,
} from '../content/layout.js'
import { extentOfPart, sealPart } from '../content/seal-part.js'
import type { KeyVault, NewKey, UsableKey } from '../keys/key-vault.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { ExtentPages } from '../reads/extent-pages.js'
import type { OpenedVersion, VersionOpener } from '../reads/version-opener.js'
import { coalescibleTail } from './coalesce.js'
import type {
  FailedContent,
  PlannedOperation,
  Prepared,
  PreparedContent,
  WholeContent,
} from './planned-operation.js'

/** Extents above which a file of at most 1 MiB is written anew as one part. */
const FRAGMENTS_MAX = 48

/** What preparation works with. */
export interface PrepareTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly opener: VersionOpener
  readonly pages: ExtentPages
  readonly reader: ContentReader
  readonly fileBytesMax: number
}

/** Tails that this process is joining, by the part they begin with: of many writers of one log, one does it. */
export type JoiningTails = Set<string>

/** Builds and seals the content of all operations, before any lock [SY-16]. */
export async function prepare(
  tools: PrepareTools,
  scope: TenantScope,
  agent: { readonly agentId: string; readonly streamKeyId: string },
  operations: readonly PlannedOperation[],
  joining: JoiningTails,
): Promise<Prepared> {
  const streamKey = await tools.vault.streamKey(scope, agent.streamKeyId)
  const content = operations.flatMap(({ operation, content: built }) =>
    built === undefined && isContentOperation(operation) ? [operation] : [],
  )
  const facts = await findFacts(tools, scope, agent.agentId, operations, content)
  const keys = await tools.vault.unwrap(scope, facts.keys)
  const preparation = new Preparation(tools, scope, agent.agentId, facts, keys, joining)
  const contents = new Map<number, PreparedContent>()
  const newKeys: NewKey[] = []
  const knownKeyIds = new Set<string>()
  for (const [index, { operation, content: built }] of operations.entries()) {
    if (built !== undefined) {
      contents.set(index, built)
      if (built.newKey === undefined) knownKeyIds.add(built.key.keyId)
      else newKeys.push(built.newKey)
    } else if (isContentOperation(operation)) {
      contents.set(
        index,
        await preparation.build(operation).catch((error: unknown) => preparation.giveUp(error)),
      )
    }
  }
  for (const keyId of preparation.usedKeyIds) if (keys.has(keyId)) knownKeyIds.add(keyId)
  for (const keyId of preparation.uploadKeyIds) knownKeyIds.add(keyId)
  return {
    contents,
    newKeys: [...newKeys, ...preparation.newKeys],
    knownKeyIds: [...knownKeyIds],
    streamKey,
    joinedTails: preparation.joinedTails,
  }
}

/** What content is built on; nothing is asked for nodes that the operations themselves create. */
async function findFacts(
  tools: PrepareTools,
  scope: TenantScope,
  agentId: string,
  operations: readonly PlannedOperation[],
  content: readonly ContentOperation[],
): Promise<PrepareFacts> {
  const created = new Set(
    operations.flatMap(({ operation }) => (operation.op === 'create' ? [operation.node] : [])),
  )
  const needs: PrepareNeeds = {
    nodeIds: content.map(targetOf).filter((id) => !created.has(id)),
    appendedNodeIds: content
      .filter(({ op }) => op === 'append')
      .map(targetOf)
      .filter((id) => !created.has(id)),
    versionIds: content.flatMap(basesOf),
    partIds: content.flatMap(partsOf),
    keyIds: [],
  }
  if (needs.nodeIds.length + needs.versionIds.length + needs.partIds.length === 0) {
    return { nodes: [], versions: [], keys: [], parts: [] }
  }
  return tools.database.readTenant(scope, (tx) => findPrepareFacts(tx, agentId, needs))
}

/** What content stands on. */
type Base = Pick<BuiltVersion, 'size' | 'layout'>

class Preparation {
  readonly newKeys: NewKey[] = []
  readonly usedKeyIds = new Set<string>()
  /** Of parts that went up before: whether they stand is asked again under the lock, like that of all others. */
  readonly uploadKeyIds = new Set<string>()
  /** Of the tails being joined, those that this preparation joins. */
  readonly joinedTails: string[] = []
  readonly #joining: JoiningTails
  readonly #tools: PrepareTools
  readonly #scope: TenantScope
  readonly #agentId: string
  readonly #facts: PrepareFacts
  readonly #nodes: ReadonlyMap<string, PrepareNode>
  readonly #parts: ReadonlyMap<string, PrepareFacts['parts'][number]>
  readonly #keys: ReadonlyMap<string, UsableKey>
  readonly #keyOfNode = new Map<string, UsableKey>()
  /** Versions that earlier operations of the same push make. */
  readonly #made = new Map<string, Base>()
  readonly #madePages = new Map<string, readonly Extent[]>()
  /** Plaintext of parts sealed here, which no row holds yet. */
  readonly #fresh = new Map<string, Uint8Array>()

  constructor(
    tools: PrepareTools,
    scope: TenantScope,
    agentId: string,
    facts: PrepareFacts,
    keys: ReadonlyMap<string, UsableKey>,
    joining: JoiningTails,
  ) {
    this.#joining = joining
    this.#tools = tools
    this.#scope = scope
    this.#agentId = agentId
    this.#facts = facts
    this.#nodes = new Map(facts.nodes.map((node) => [node.askedId, node]))
    this.#parts = new Map(facts.parts.map((part) => [part.partId, part]))
    this.#keys = keys
  }

  /** Lets others join what this one claimed. */
  giveUp(error: unknown): never {
    for (const tail of this.joinedTails) this.#joining.delete(tail)
    throw error
  }

  async build(operation: ContentOperation): Promise<PreparedContent> {
    switch (operation.op) {
      case 'append':
        return this.#append(operation)
      case 'truncate':
        return this.#whole(operation, operation.base, operation.size, [])
      case 'write':
        return this.#whole(operation, operation.base, operation.size, operation.extents)
      case 'replace': {
        const { content } = operation
        if ('extents' in content) return this.#whole(operation, null, content.size, content.extents)
        if (content.sourceVersion === null) return this.#whole(operation, null, 0, [])
        const source = await this.#base(content.sourceVersion)
        if (source === undefined) return baseGone()
        return this.#whole(operation, content.sourceVersion, source.size, [])
      }
    }
  }

  async #whole(
    operation: ContentOperation,
    baseId: string | null,
    size: number,
    wire: readonly WireExtent[],
  ): Promise<PreparedContent> {
    if (size > this.#tools.fileBytesMax)
      return refused('too_large', 'the file is larger than the service takes')
    const missing = partsIn(wire).filter((id) => !this.#parts.has(id))
    if (missing.length > 0) return { kind: 'failed', result: { status: 'parts_missing', parts: missing } }
    const key = await this.#keyFor(targetOf(operation))
    const laid = this.#lay(wire, key)
    if (laid === undefined) return refused('invalid_request', 'an extent reaches past its part')
    const base = await this.#base(baseId)
    if (base === undefined && !covers(laid.extents, size)) return baseGone()
    const below = base?.layout ?? inlineLayout([])
    const stretches = await edited(below, laid.extents, size, (page) => this.#page(page))
    const built = await this.#finish(key, size, stretches, laid.parts)
    const old = this.#isOld(operation, baseId) && base !== undefined ? partIdsOf(base.layout) : []
    this.#made.set(operation.version, built.version)
    return { ...built, uploaded: [...new Set([...laid.uploaded, ...old])], objectIds: laid.objectIds }
  }

  /** True for a base whose parts may go until the commit, as a head's cannot: they are looked for again under the lock. */
  #isOld(operation: ContentOperation, baseId: string | null): boolean {
    if (baseId === null || this.#made.has(baseId)) return false
    return this.#nodes.get(targetOf(operation))?.headVersion !== baseId
  }

  async #append(operation: ContentOperation & { op: 'append' }): Promise<PreparedContent> {
    const target = targetOf(operation)
    const wire: WireExtent[] = []
    let size = 0
    for (const part of operation.parts ?? []) {
      wire.push({ offset: size, ...part })
      size += part.length
    }
    const missing = partsIn(wire).filter((id) => !this.#parts.has(id))
    if (missing.length > 0) return { kind: 'failed', result: { status: 'parts_missing', parts: missing } }
    if (operation.data.length > 0) wire.push({ offset: size, data: operation.data })
    size += operation.data.length
    const key = await this.#keyFor(target)
    const laid = this.#lay(wire, key)
    if (laid === undefined) return refused('invalid_request', 'an extent reaches past its part')
    const extents = laid.extents.filter((extent) => 'partId' in extent)
    const headId = this.#nodes.get(target)?.headVersion ?? null
    const head = headId === null ? undefined : await this.#opened(headId)
    if ((head?.size ?? 0) + size > this.#tools.fileBytesMax) {
      return refused('too_large', 'the file is larger than the service takes')
    }
    const data = size <= PART_BYTES_MAX ? await this.#bytes(extents, 0, size) : new Uint8Array(0)
    const standing = head === undefined ? [] : await this.#tail(head.layout)
    const tail = coalescibleTail(standing)
    const coalesced =
      tail === undefined || !this.#claimTail(standing[tail.first]?.partId ?? '')
        ? null
        : {
            extents: standing.slice(tail.first, tail.end),
            part: this.#seal(key, await this.#bytes(standing, tail.from, tail.to)),
          }
    const { parts, uploaded, objectIds } = laid
    return { kind: 'append', parts, uploaded, objectIds, key, extents, size, data, coalesced }
  }

  /** False where another append is at it: its bytes would be read and sealed for nothing. */
  #claimTail(partId: string): boolean {
    if (this.#joining.has(partId)) return false
    this.#joining.add(partId)
    this.joinedTails.push(partId)
    return true
  }

  /** The extents that an append finds at hand: those of the last page where there are pages. */
  async #tail(layout: Layout): Promise<readonly Extent[]> {
    const last = lastPageOf(layout)
    if (last !== undefined) return this.#page(last)
    return layout.kind === 'inline' ? layout.extents : []
  }

  /** Seals what is inline, and finds what went up before; undefined where an extent reaches past its part. */
  #lay(wire: readonly WireExtent[], key: UsableKey) {
    const extents: Laid[] = []
    const parts: SealedPart[] = []
    const uploaded = new Set<string>()
    const objectIds = new Set<string>()
    for (const extent of wire) {
      if ('data' in extent) {
        for (let at = 0; at < extent.data.length; at += PART_BYTES_MAX) {
          const part = this.#seal(key, extent.data.subarray(at, at + PART_BYTES_MAX))
          parts.push(part)
          extents.push(extentOfPart(part, extent.offset + at))
        }
        continue
      }
      if ('hole' in extent) {
        extents.push(extent)
        continue
      }
      const fact = this.#parts.get(extent.part)
      if (fact === undefined || extent.partOffset + extent.length > fact.size) return undefined
      uploaded.add(fact.partId)
      this.uploadKeyIds.add(fact.keyId)
      if (fact.objectId !== null) objectIds.add(fact.objectId)
      const { offset, length, partOffset } = extent
      extents.push({
        offset,
        length,
        keyId: fact.keyId,
        partId: fact.partId,
        partOffset,
        mac: fact.contentMac,
      })
    }
    return { extents, parts, uploaded: [...uploaded], objectIds: [...objectIds] }
  }

  async #finish(
    key: UsableKey,
    size: number,
    stretches: readonly Stretch[],
    parts: readonly SealedPart[],
  ): Promise<Omit<WholeContent, 'uploaded' | 'objectIds'>> {
    if (size <= PART_BYTES_MAX && (stretches.length > 1 || tooMany(stretches[0]))) {
      const all: Extent[] = []
      for (const it of stretches) all.push(...('page' in it ? await this.#page(it.page) : it.extents))
      const bytes = await this.#bytes(all, 0, size)
      const part = this.#seal(key, bytes)
      return { kind: 'whole', version: wholeVersion(part, bytes), parts: [part], key }
    }
    const { layout, pages, pageExtents } = paged(this.#scope.tenantId, key, stretches)
    for (const [partId, extents] of pageExtents) this.#madePages.set(partId, extents)
    const extents = stretches.flatMap((stretch) => ('page' in stretch ? [] : stretch.extents))
    const contentHash = hashesBytes(size, layout)
      ? sha256(await this.#bytes(extents, 0, size))
      : layoutHash(layout)
    const [only, ...others] = layout.kind === 'inline' ? layout.extents : []
    // The part's own hash tells the content only where the content is all of the part.
    const sole = parts.find(
      (part) => others.length === 0 && part.partId === only?.partId && part.size === size,
    )
    const contentMac = sole?.contentMac ?? contentHash
    const referenced = new Set(extents.map(({ partId }) => partId))
    return {
      kind: 'whole',
      version: { size, layout, pageExtents, contentHash, contentMac },
      parts: [...parts.filter(({ partId }) => referenced.has(partId)), ...pages],
      key,
    }
  }

  #seal(key: UsableKey, plaintext: Uint8Array): SealedPart {
    const part = sealPart(this.#scope.tenantId, key, plaintext)
    this.#fresh.set(part.partId, plaintext)
    return part
  }

  async #page(page: Extent): Promise<readonly Extent[]> {
    const made = this.#madePages.get(page.partId)
    if (made !== undefined) return made
    const [extents = []] = await this.#tools.pages.open(this.#scope, this.#agentId, [page])
    return extents
  }

  /** Plaintext of a run: of parts sealed here from memory, of all others as any reader. */
  async #bytes(extents: readonly Extent[], from: number, to: number): Promise<Buffer> {
    const stored = extents.filter(({ partId }) => !this.#fresh.has(partId))
    const bytes = await this.#tools.reader.read(this.#scope, this.#agentId, inlineLayout(stored), from, to)
    for (const extent of cutAt(extents, to)) {
      const plain = this.#fresh.get(extent.partId)
      const end = extent.offset + extent.length
      if (plain === undefined || end <= from) continue
      const start = Math.max(from, extent.offset)
      const at = extent.partOffset + (start - extent.offset)
      bytes.set(plain.subarray(at, at + (end - start)), start - from)
    }
    return bytes
  }

  /** The version content stands on: empty for none, undefined where it is not kept (any more). */
  async #base(id: string | null): Promise<Base | undefined> {
    if (id === null) return { size: 0, layout: inlineLayout([]) }
    return this.#made.get(id) ?? (await this.#opened(id))
  }

  async #opened(id: string): Promise<OpenedVersion | undefined> {
    const row = this.#facts.versions.find(({ versionId }) => versionId === id)
    if (row === undefined || !this.#keys.has(row.keyId)) return undefined
    const opened = await this.#tools.opener.open(this.#scope, this.#agentId, row, this.#keys)
    // A page's own key stands for those of what it lists: who erases a file erases all its keys.
    const { layout } = opened
    for (const { keyId } of layout.kind === 'inline' ? layout.extents : layout.pages)
      this.usedKeyIds.add(keyId)
    return opened
  }

  /** The key for new content of a node: its own, or a new one that the commit adds. */
  async #keyFor(node: string): Promise<UsableKey> {
    const found = this.#keyOfNode.get(node) ?? this.#keys.get(this.#nodes.get(node)?.contentKeyId ?? '')
    if (found !== undefined) {
      this.usedKeyIds.add(found.keyId)
      return found
    }
    const owner = { agentId: this.#agentId, nodeId: this.#nodes.get(node)?.nodeId ?? node }
    const made = await this.#tools.vault.newKey(this.#scope, 'content', owner)
    this.newKeys.push(made)
    this.#keyOfNode.set(node, made)
    return made
  }
}

/** A version that is one part. */
export function wholeVersion(part: SealedPart, bytes: Uint8Array): BuiltVersion {
  const extents = part.size === 0 ? [] : [extentOfPart(part, 0)]
  return {
    size: part.size,
    layout: inlineLayout(extents),
    contentHash: sha256(bytes),
    contentMac: part.contentMac,
  }
}

/** A page of a file of at most 1 MiB is as much too many as extents above the limit. */
function tooMany(stretch: Stretch | undefined): boolean {
  return stretch !== undefined && ('page' in stretch || stretch.extents.length > FRAGMENTS_MAX)
}

function targetOf(operation: ContentOperation): string {
  return operation.op === 'replace' ? operation.target : operation.node
}

function basesOf(operation: Operation): string[] {
  if (operation.op === 'replace') {
    return 'sourceVersion' in operation.content && operation.content.sourceVersion !== null
      ? [operation.content.sourceVersion]
      : []
  }
  return 'base' in operation && typeof operation.base === 'string' ? [operation.base] : []
}

function partsOf(operation: ContentOperation): string[] {
  if (operation.op === 'write') return partsIn(operation.extents)
  if (operation.op === 'append') return (operation.parts ?? []).map(({ part }) => part)
  return operation.op === 'replace' && 'extents' in operation.content
    ? partsIn(operation.content.extents)
    : []
}

function partsIn(extents: readonly WireExtent[]): string[] {
  return extents.flatMap((extent) => ('part' in extent ? [extent.part] : []))
}

function refused(code: 'version_conflict' | 'too_large' | 'invalid_request', message: string): FailedContent {
  return { kind: 'failed', result: { status: 'refused', code, message } }
}

function baseGone(): FailedContent {
  return refused('version_conflict', 'the version this is based on is not kept; send the whole content')
}
