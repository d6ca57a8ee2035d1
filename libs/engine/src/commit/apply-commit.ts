import {
  type AuditAction,
  type Change,
  type Operation,
  type OperationResult,
  type TimeSpec,
  type TreeDelta,
  uuidv7,
} from '@agentfs/contracts'
import type { Extent } from '@agentfs/crypto'
import {
  type ApplyContext,
  applyContent,
  applyStructure,
  type ContentOperation,
  type ContentPlan,
  type Effect,
  isContentOperation,
  operationKeys,
  type Outcome,
  Overlay,
  planContent,
  poisonedKeys,
  Refusal,
  type TreeReader,
} from '@agentfs/tree'
import type { BuiltVersion } from '../content/built-content.js'
import type { SealedPart } from '../content/sealed-part.js'
import { hashesBytes, sha256 } from '../content/content-hash.js'
import { inlineLayout, lastPageOf, type Layout, layoutHash, paged } from '../content/layout.js'
import { extentOfPart } from '../content/seal-part.js'
import { type SealedVersion, sealVersion } from '../content/seal-version.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { OpenedVersion } from '../reads/version-opener.js'
import {
  type AppendedContent,
  type PlannedOperation,
  PrepareAgain,
  type PreparedContent,
} from './planned-operation.js'
import { displayPath } from './display-path.js'

/** A version that a commit makes, with all that is saved of it. */
interface MadeVersion extends BuiltVersion {
  readonly versionId: string
  readonly nodeId: string
  readonly number: number
  readonly parents: readonly string[]
  readonly key: UsableKey
  readonly sealed: SealedVersion
  readonly parts: readonly SealedPart[]
  readonly uploaded: readonly string[]
  readonly objectIds: readonly string[]
}

/** What operations did to the tree. */
export interface AppliedCommit {
  readonly tree: Overlay
  readonly delta: TreeDelta
  readonly results: readonly OperationResult[]
  readonly changes: readonly Change[]
  readonly versions: readonly MadeVersion[]
}

/** Thrown for a head whose manifest is not in memory: open it and apply again. */
export class VersionNotAtHand extends Error {
  readonly versionId: string
  constructor(versionId: string) {
    super('the head moved to a version that is not at hand')
    this.versionId = versionId
  }
}

/** What application needs besides the tree. */
export interface ApplyInput {
  readonly tenantId: string
  readonly rootId: string
  readonly seq: number
  readonly nowMs: number
  readonly author: string
  readonly agentName: string
  readonly operations: readonly PlannedOperation[]
  readonly contents: ReadonlyMap<number, PreparedContent>
  /** Versions among those that the operations make which are committed already, and of which node they are [SY-8]. */
  readonly held: ReadonlyMap<string, string>
  /** The id of the conflict copy that an operation may make: the same one each time it is applied. */
  readonly copyId: (index: number) => string
  /** The extents of a page, from memory; undefined where they would have to be fetched. */
  readonly page: (page: Extent) => readonly Extent[] | undefined
  /** A version's layout, from memory; undefined where they would have to be fetched. */
  readonly opened: (versionId: string) => OpenedVersion | undefined
  /** Throws a Refusal where the caller may not do this. */
  readonly authorise: (tree: TreeReader, operation: Operation) => void
}

/**
 * Applies operations in order, each wholly or not at all, and refuses what depends on a refused one [SY-7]. Pure but for
 * sealing; throws NotLoaded, VersionNotAtHand and PrepareAgain through.
 */
export function applyCommit(below: TreeReader, input: ApplyInput): AppliedCommit {
  return new Application(below, input).run()
}

/** A version that an append makes, and what is sealed for it. */
interface Appended {
  readonly version: BuiltVersion
  readonly parts: readonly SealedPart[]
}

/** Content of either kind, with the version it has become. */
interface ContentToSeal {
  readonly built: BuiltVersion
  readonly parts: readonly SealedPart[]
  readonly uploaded: readonly string[]
  readonly objectIds: readonly string[]
  readonly key: UsableKey
}

const NOTHING = { size: 0, layout: inlineLayout([]) }

class Application {
  readonly #input: ApplyInput
  readonly #context: ApplyContext
  readonly #tree: Overlay
  readonly #results: OperationResult[] = []
  readonly #changes: Change[] = []
  readonly #versions = new Map<string, MadeVersion>()
  /** Of the pages that these have and no commit before. */
  readonly #pageExtents = new Map<string, readonly Extent[]>()
  /** What refused operations touched, and which one it was. */
  readonly #poisoned = new Map<string, number>()

  constructor(below: TreeReader, input: ApplyInput) {
    this.#input = input
    this.#tree = new Overlay(below)
    const time: TimeSpec = [Math.floor(input.nowMs / 1000), (input.nowMs % 1000) * 1_000_000]
    this.#context = {
      seq: input.seq,
      at: new Date(input.nowMs).toISOString(),
      time,
      author: input.author,
      agentName: input.agentName,
      newId: () => uuidv7(input.nowMs),
    }
  }

  run(): AppliedCommit {
    this.#input.operations.forEach((planned, index) => this.#results.push(this.#one(planned, index)))
    const delta = this.#tree.delta()
    const kept = new Set(delta.versions.map(({ id }) => id))
    return {
      tree: this.#tree,
      delta,
      results: this.#results,
      changes: this.#changes,
      versions: [...this.#versions.values()].filter(({ versionId }) => kept.has(versionId)),
    }
  }

  #one(planned: PlannedOperation, index: number): OperationResult {
    const { operation } = planned
    const held = this.#heldResult(operation)
    if (held !== undefined) return held
    const because = operationKeys(operation)
      .map((key) => this.#poisoned.get(key))
      .find((found) => found !== undefined)
    if (because !== undefined) {
      const code = this.#codeOf(because)
      const message = 'an operation that this one depends on was refused'
      return this.#poison(operation, index, { status: 'refused', code, message, because })
    }
    try {
      this.#input.authorise(this.#tree, operation)
      const local = new Overlay(this.#tree)
      const before = this.#pathBefore(operation)
      const { result, effects } = this.#apply(local, planned, index)
      if (result.status === 'parts_missing' || result.status === 'refused') {
        return this.#poison(operation, index, result)
      }
      this.#tree.absorb(local.delta())
      for (const effect of effects) this.#note(effect, before, planned.action)
      return result
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return this.#poison(operation, index, { status: 'refused', code: error.code, message: error.message })
    }
  }

  /** What became of an operation that a commit already holds, of a store that was restored since; nothing is done again. */
  #heldResult(operation: Operation): OperationResult | undefined {
    const nodeId = 'version' in operation ? this.#input.held.get(operation.version) : undefined
    if (nodeId === undefined || !isContentOperation(operation)) return undefined
    const node = this.#tree.resolve(nodeId)
    const target = this.#tree.resolve(operation.op === 'replace' ? operation.target : operation.node)
    if (node === target) return { status: 'unified', node }
    const place = this.#tree.entriesOf(node)[0] ?? this.#tree.node(node)?.lastEntry
    return { status: 'conflict-copy', node, name: place?.name ?? '', version: operation.version }
  }

  #apply(local: Overlay, planned: PlannedOperation, index: number): Outcome {
    const { operation } = planned
    if (!isContentOperation(operation)) return applyStructure(local, operation, this.#context)
    const content = this.#input.contents.get(index)
    if (content === undefined) throw new PrepareAgain('content was not built')
    if (content.kind === 'failed') return { result: content.result, effects: [] }
    const effective = planned.unconditional === true ? ontoHead(local, operation) : operation
    const plan = planContent(local, effective)
    const standing = local.node(plan.node)
    const copy = plan.kind === 'keep-both' ? this.#input.copyId(index) : undefined
    const number = copy === undefined ? (standing?.number ?? 0) + 1 : 1
    const { version: built, parts } = content.kind === 'whole' ? content : this.#appended(plan, content)
    const made = this.#seal(effective, plan, { ...content, built, parts }, number, copy ?? plan.node)
    const version = {
      id: made.versionId,
      parents: [...made.parents],
      size: built.size,
      manifestHash: sha256(made.sealed.manifest).toString('hex'),
    }
    return applyContent(
      local,
      effective,
      plan,
      { version, ...(copy === undefined ? {} : { copy }) },
      this.#context,
    )
  }

  #seal(
    operation: ContentOperation,
    plan: ContentPlan,
    content: ContentToSeal,
    number: number,
    nodeId: string,
  ): MadeVersion {
    const { tenantId, author, nowMs } = this.#input
    const { built, key, parts, uploaded, objectIds } = content
    const base = 'base' in operation ? operation.base : null
    const parent = plan.kind === 'keep-both' ? base : plan.head
    const parents = parent === null ? [] : [parent]
    const place = { versionId: operation.version, number, parents, author, createdAtMs: nowMs }
    const sealed = sealVersion(tenantId, key, built, place)
    for (const [partId, extents] of built.pageExtents ?? []) this.#pageExtents.set(partId, extents)
    const made: MadeVersion = {
      ...built,
      versionId: operation.version,
      nodeId,
      number,
      parents,
      key,
      sealed,
      parts,
      uploaded,
      objectIds,
    }
    this.#versions.set(operation.version, made)
    return made
  }

  /** The head's content with bytes added, whichever head it is by now. */
  #appended(plan: ContentPlan, content: AppendedContent): Appended {
    const head = plan.head === null ? NOTHING : this.#versionInReach(plan.head)
    const below = head.layout.kind === 'inline' ? [] : head.layout.pages.slice(0, -1)
    const standing = withTailJoined(this.#tailInReach(head.layout, plan.head), content)
    const added = content.extents.map((extent) => ({ ...extent, offset: extent.offset + head.size }))
    const run = [...standing, ...added]
    const stretches = [...below.map((page) => ({ page })), { extents: run }]
    const { layout, pages, pageExtents } = paged(this.#input.tenantId, content.key, stretches)
    const size = head.size + content.size
    const sealed = content.coalesced === null ? content.parts : [...content.parts, content.coalesced.part]
    const named = new Set(run.map(({ partId }) => partId))
    const parts = [...sealed.filter(({ partId }) => named.has(partId)), ...pages]
    if (!hashesBytes(size, layout)) {
      const contentHash = layoutHash(layout)
      return { version: { size, layout, pageExtents, contentHash, contentMac: contentHash }, parts }
    }
    const [only] = added
    if (standing.length > 0) throw new Refusal('invalid_request', 'there is nothing to append')
    // One extent or none, yet not all of the content: the file began as a hole.
    const contentHash = sha256(Buffer.concat([Buffer.alloc(head.size), content.data]))
    // The part's own hash tells the content only where the content is all of the part.
    const sole = sealed.find((part) => head.size === 0 && part.partId === only?.partId && part.size === size)
    return { version: { size, layout, contentHash, contentMac: sole?.contentMac ?? contentHash }, parts }
  }

  #tailInReach(layout: Layout, versionId: string | null): readonly Extent[] {
    if (layout.kind === 'inline') return layout.extents
    const last = lastPageOf(layout)
    if (last === undefined || versionId === null) return []
    const found = this.#pageExtents.get(last.partId) ?? this.#input.page(last)
    if (found === undefined) throw new VersionNotAtHand(versionId)
    return found
  }

  #versionInReach(id: string): Pick<OpenedVersion, 'size' | 'layout'> {
    const found = this.#versions.get(id) ?? this.#input.opened(id)
    if (found === undefined) throw new VersionNotAtHand(id)
    return found
  }

  /** Where the node is before an operation takes it away or elsewhere. */
  #pathBefore(operation: Operation): string | undefined {
    if (!['rename', 'unlink', 'rmdir'].includes(operation.op) || !('node' in operation)) return undefined
    return displayPath(this.#tree, this.#tree.resolve(operation.node), this.#input.rootId)
  }

  #note(effect: Effect, before: string | undefined, action: AuditAction | undefined): void {
    const after = displayPath(this.#tree, effect.node, this.#input.rootId)
    const path = after ?? before
    const bytes = effect.version === undefined ? undefined : this.#versions.get(effect.version)?.size
    this.#changes.push({
      index: this.#changes.length,
      action: action ?? effect.action,
      node: effect.node,
      ...(path === undefined ? {} : { path }),
      ...(effect.action === 'file.move' && before !== undefined && before !== after ? { from: before } : {}),
      ...(effect.version === undefined ? {} : { version: effect.version }),
      ...(effect.previous === undefined ? {} : { previous: effect.previous }),
      ...(bytes === undefined ? {} : { bytes }),
    })
  }

  #poison(operation: Operation, index: number, result: OperationResult): OperationResult {
    for (const key of poisonedKeys(operation)) this.#poisoned.set(key, index)
    return result
  }

  #codeOf(index: number): string {
    const result = this.#results[index]
    return result?.status === 'refused' ? result.code : 'parts_missing'
  }
}

function ontoHead(tree: TreeReader, operation: ContentOperation): ContentOperation {
  if (operation.op === 'append') return operation
  const target = operation.op === 'replace' ? operation.target : operation.node
  return { ...operation, base: tree.node(tree.resolve(target))?.version ?? null }
}

/** The head's extents, their tail replaced by the part that holds the same bytes, where that tail still stands. */
function withTailJoined(extents: readonly Extent[], { coalesced }: AppendedContent): Extent[] {
  const [first] = coalesced?.extents ?? []
  const at = first === undefined ? -1 : extents.findIndex((extent) => sameRun(extent, first))
  if (coalesced === null || at < 0) return [...extents]
  const stands = coalesced.extents.every((extent, index) => {
    const found = extents[at + index]
    return found !== undefined && sameRun(found, extent)
  })
  if (!stands) return [...extents]
  const joined = extentOfPart(coalesced.part, first?.offset ?? 0)
  return [...extents.slice(0, at), joined, ...extents.slice(at + coalesced.extents.length)]
}

function sameRun(one: Extent, other: Extent): boolean {
  return (
    one.partId === other.partId &&
    one.offset === other.offset &&
    one.length === other.length &&
    one.partOffset === other.partOffset
  )
}
