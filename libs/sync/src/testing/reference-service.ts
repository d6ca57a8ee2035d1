import { createHash } from 'node:crypto'
import {
  AgentfsError,
  uuidv7,
  type CommitFrame,
  type Extent,
  type NodeImage,
  type Operation,
  type OperationResult,
  type PushAnswer,
  type PushRequest,
  type SnapshotRow,
} from '@agentfs/contracts'
import {
  applyContent,
  applyStructure,
  isContentOperation,
  MemoryTree,
  operationKeys,
  Overlay,
  planContent,
  poisonedKeys,
  Refusal,
  type ContentOperation,
} from '@agentfs/tree'
import { decode } from '../store/row-codec.js'

/** A refusal a test plans: answers a code for operations it does not want. */
export type Veto = (operation: Operation) => string | undefined

/**
 * The sync protocol by the shared tree functions alone, in memory, synchronously: the model that the client store is
 * checked against. The real service is checked against the same client by the acceptance tests.
 */
export class ReferenceService {
  readonly root = uuidv7()
  epoch = 1
  tree: MemoryTree
  readonly commits: CommitFrame[] = []
  readonly contents = new Map<string, Uint8Array>()
  readonly parts = new Map<string, Uint8Array>()
  veto: Veto = () => undefined
  readonly #answers = new Map<string, { number: number; answer: PushAnswer }>()

  constructor() {
    this.tree = new MemoryTree(rootImage(this.root))
  }

  get head(): number {
    return this.commits.at(-1)?.seq ?? 0
  }

  /** Commits after a seq. */
  since(seq: number): CommitFrame[] {
    return this.commits.filter((commit) => commit.seq > seq)
  }

  /** All live nodes with their names. */
  rows(): SnapshotRow[] {
    return [...this.tree.nodes()]
      .filter((node) => node.deleted !== true)
      .map((node) => ({ node, entries: [...this.tree.entriesOf(node.id)] }))
  }

  putPart(part: string, bytes: Uint8Array): void {
    this.parts.set(part, bytes)
  }

  /** Bytes of a block. */
  block(version: string, block: number): Uint8Array {
    const bytes = this.contents.get(version)
    if (bytes === undefined) throw new AgentfsError('not_found', { version })
    return bytes.subarray(block * 1_048_576, (block + 1) * 1_048_576)
  }

  /** The content a path leads to, for assertions. */
  contentAt(...names: string[]): string | undefined {
    let at: string | undefined = this.root
    for (const name of names) at = at === undefined ? undefined : this.tree.entry(at, name)
    const node = at === undefined ? undefined : this.tree.node(at)
    if (node === undefined) return undefined
    return node.version === null ? '' : Buffer.from(this.contents.get(node.version) ?? []).toString('utf8')
  }

  /** Applies a push once, however often it is sent [SY-8]. */
  push(bytes: Uint8Array): PushAnswer {
    const digest = createHash('sha256').update(bytes).digest('hex')
    const request = decode(bytes) as PushRequest
    const last = this.#answers.get(request.store)
    if (last?.answer.digest === digest) return last.answer
    if ((last?.answer.digest ?? null) !== request.previous || (last?.number ?? 0) + 1 !== request.number) {
      throw new AgentfsError('store_forked')
    }
    const answer = this.#apply(digest, request)
    this.#answers.set(request.store, { number: request.number, answer })
    return answer
  }

  #apply(digest: string, request: PushRequest): PushAnswer {
    const seq = this.head + 1
    const at = new Date(1_800_000_000_000 + seq * 1000).toISOString()
    const time: [number, number] = [1_800_000_000 + seq, 0]
    const context = { seq, at, time, author: 'agent/reference', agentName: 'reference', newId: uuidv7 }
    const whole = new Overlay(this.tree)
    const poisoned = new Map<string, number>()
    const results = request.operations.map((operation, index): OperationResult => {
      const because = operationKeys(operation)
        .map((key) => poisoned.get(key))
        .find((found) => found !== undefined)
      const fail = (result: OperationResult): OperationResult => {
        for (const key of poisonedKeys(operation)) poisoned.set(key, index)
        return result
      }
      if (because !== undefined)
        return fail({ status: 'refused', code: 'forbidden', message: 'dependency', because })
      const code = this.veto(operation)
      if (code !== undefined) return fail({ status: 'refused', code, message: 'vetoed' })
      const local = new Overlay(whole)
      try {
        const result = isContentOperation(operation)
          ? this.#content(local, operation, context)
          : applyStructure(local, operation, context).result
        if (result.status === 'parts_missing') return fail(result)
        whole.absorb(local.delta())
        return result
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return fail({ status: 'refused', code: error.code, message: error.message })
      }
    })
    const delta = whole.delta()
    if (whole.unchanged) return { digest, results, commit: null, receipt: null }
    this.tree.fold(delta)
    const commit = { epoch: this.epoch, seq, at, delta, store: request.store, pushNumber: request.number }
    this.commits.push(commit)
    return { digest, results, commit, receipt: null }
  }

  #content(
    tree: Overlay,
    operation: ContentOperation,
    context: Parameters<typeof applyContent>[4],
  ): OperationResult {
    // Sent again under another store id: it is done already [SY-8].
    if (this.contents.has(operation.version)) {
      const node = operation.op === 'replace' ? operation.target : operation.node
      return { status: 'unified', node: tree.resolve(node) }
    }
    const plan = planContent(tree, operation)
    const missing = partsOf(operation).filter((part) => !this.parts.has(part))
    if (missing.length > 0) return { status: 'parts_missing', parts: missing }
    const bytes = this.#bytes(operation, plan.head)
    this.contents.set(operation.version, bytes)
    const base = 'base' in operation ? operation.base : plan.head
    const parent = plan.kind === 'keep-both' ? base : plan.head
    const parents = parent === null ? [] : [parent]
    const version = { id: operation.version, parents, size: bytes.length, manifestHash: '0'.repeat(64) }
    const copy = plan.kind === 'keep-both' ? { copy: uuidv7() } : {}
    return applyContent(tree, operation, plan, { version, ...copy }, context).result
  }

  #bytes(operation: ContentOperation, head: string | null): Uint8Array {
    const of = (version: string | null): Uint8Array => {
      const bytes = version === null ? new Uint8Array(0) : this.contents.get(version)
      if (bytes === undefined) throw new Refusal('version_conflict', 'the base is not kept')
      return bytes
    }
    switch (operation.op) {
      case 'append':
        return Buffer.concat([
          of(head),
          ...(operation.parts ?? []).map((it) => this.#part(it)),
          operation.data,
        ])
      case 'truncate':
        return this.#laid(of(operation.base), operation.size, [])
      case 'write':
        return this.#laid(of(operation.base), operation.size, operation.extents)
      case 'replace': {
        const { content } = operation
        if ('extents' in content) return this.#laid(of(null), content.size, content.extents)
        return of(content.sourceVersion)
      }
    }
  }

  #laid(base: Uint8Array, size: number, extents: readonly Extent[]): Uint8Array {
    const bytes = new Uint8Array(size)
    bytes.set(base.subarray(0, size))
    for (const extent of extents) {
      if ('hole' in extent) {
        bytes.fill(0, extent.offset, extent.offset + extent.length)
        continue
      }
      const data = 'data' in extent ? extent.data : this.#part(extent)
      bytes.set(data.subarray(0, Math.max(0, size - extent.offset)), Math.min(extent.offset, size))
    }
    return bytes
  }

  #part(run: { readonly part: string; readonly partOffset: number; readonly length: number }): Uint8Array {
    const bytes = this.parts.get(run.part) ?? new Uint8Array(0)
    return bytes.subarray(run.partOffset, run.partOffset + run.length)
  }
}

/** The parts that an operation names. */
function partsOf(operation: ContentOperation): string[] {
  const named = operation.op === 'append' ? (operation.parts ?? []) : extentsOf(operation)
  return named.flatMap((it) => ('part' in it ? [it.part] : []))
}

function extentsOf(operation: ContentOperation): readonly Extent[] {
  if (operation.op === 'write') return operation.extents
  return operation.op === 'replace' && 'extents' in operation.content ? operation.content.extents : []
}

/** A root directory. */
function rootImage(id: string): NodeImage {
  const at = '2026-01-01T00:00:00.000Z'
  return {
    id,
    kind: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: [1_767_225_600, 0],
    ctime: [1_767_225_600, 0],
    size: 0,
    version: null,
    number: 0,
    links: 1,
    createdAt: at,
    modifiedAt: at,
    modifiedBy: 'service',
    seq: 0,
  }
}
