import {
  type Extent,
  type Operation,
  type OperationResult,
  PART_BYTES_MAX,
  type TimeSpec,
  uuidv7,
} from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { Hashing } from './hashing.js'
import type { ImportPlan, PlannedNode } from './import-plan.js'
import type { SourceVersion, Trouble } from './import-source.js'
import { ahead } from './ahead.js'
import { Pusher } from './pusher.js'
import { mayPass, retrying } from './retrying.js'
import type { TransferProgress } from './transfer-progress.js'

const NODES_AHEAD = 8
const PARTS_AT_ONCE = 8
/** Contents of one file that are read before its turn; the rest is read in it. */
const READ_AHEAD_BYTES_MAX = 2 * 1_048_576

/** How an import goes about it. */
export interface ImportManner {
  /** Attributes of folders that were there already are set too. */
  readonly existingDirectories: boolean
  /** Content that differs from what the source's manifest says is taken as it is. */
  readonly acceptChanges: boolean
}

/** What an import did. */
export interface Imported {
  readonly files: number
  /** Files that were brought as deleted ones. */
  readonly deleted: number
  readonly directories: number
  readonly versions: number
  readonly bytes: number
  /** What could not be brought, each with its reason. */
  readonly failed: readonly (Trouble & { readonly code: string | undefined })[]
  /** Files that somebody else wrote meanwhile: both are kept, ours under another name. */
  readonly beside: readonly Trouble[]
}

/** Writes what a plan says. Each push is a commit of its own: a stop in between leaves whole files, and the next run finds them. */
export class Importer {
  readonly #agent: AgentHandle
  readonly #pusher: Pusher
  readonly #progress: TransferProgress
  readonly #manner: ImportManner
  readonly #signal: AbortSignal
  readonly #failed: (Trouble & { code: string | undefined })[] = []
  readonly #beside: Trouble[] = []
  readonly #counts = { files: 0, deleted: 0, directories: 0, versions: 0, bytes: 0 }
  #outOfRoom = false

  constructor(
    agent: AgentHandle,
    epoch: number,
    manner: ImportManner,
    progress: TransferProgress,
    signal: AbortSignal,
  ) {
    this.#agent = agent
    this.#pusher = new Pusher(agent, epoch, signal)
    this.#manner = manner
    this.#progress = progress
    this.#signal = signal
  }

  /** What is done so far. */
  get done(): Imported {
    return { ...this.#counts, failed: this.#failed, beside: this.#beside }
  }

  async run(plan: ImportPlan): Promise<Imported> {
    const wanted = plan.nodes.flatMap(({ source, from }) => source.versions.slice(from))
    this.#progress.expect(
      wanted.length,
      wanted.reduce((sum, { size }) => sum + size, 0),
    )
    for await (const { item, made } of ahead(NODES_AHEAD, plan.nodes, (node) => this.#read(node))) {
      this.#signal.throwIfAborted()
      if (this.#outOfRoom) break
      if (made instanceof Error) this.#fail(item, made)
      else await this.#place(item, made)
    }
    if (!this.#outOfRoom) {
      await this.#links(plan)
      await this.#removeTemporary(plan)
      await this.#directoryAttributes(plan)
    }
    await this.#pusher.flush()
    return this.done
  }

  /** Small contents of a node, read before its turn; undefined for those that are read in it. */
  async #read({ source, from }: PlannedNode): Promise<(Uint8Array<ArrayBuffer> | undefined)[] | Error> {
    const contents: (Uint8Array<ArrayBuffer> | undefined)[] = []
    let bytes = 0
    for (const version of source.versions.slice(from)) {
      bytes += version.size
      try {
        contents.push(
          version.size <= PART_BYTES_MAX && bytes <= READ_AHEAD_BYTES_MAX
            ? await this.#whole(version)
            : undefined,
        )
      } catch (error) {
        if (this.#signal.aborted || mayPass(error)) throw error
        return error instanceof Error ? error : new Error(String(error))
      }
    }
    return contents
  }

  async #place(
    planned: PlannedNode,
    contents: readonly (Uint8Array<ArrayBuffer> | undefined)[],
  ): Promise<void> {
    const { source, parent, name, standing, replaces } = planned
    const opening: Operation[] = []
    if (replaces !== undefined)
      opening.push({ op: 'unlink', node: replaces.id, parent, name, base: replaces.version })
    if (standing === undefined) opening.push(createOf(planned))
    const closing = closingOf(planned)
    const writes = source.versions.slice(planned.from)
    let base = standing?.version ?? null
    try {
      for (const [index, version] of writes.entries()) {
        const mtime = index === writes.length - 1 ? (source.mtime ?? version.at) : version.at
        const write = await this.#write(planned, version, contents[index], base, mtime)
        base = write.operation.version
        const first = index === 0 ? opening : []
        const last = index === writes.length - 1 ? closing : []
        await this.#push(planned, [...first, write.operation, ...last], write.bytes, version)
      }
    } catch (error) {
      if (this.#signal.aborted || mayPass(error)) throw error
      this.#fail(planned, error)
      return
    }
    if (writes.length === 0) await this.#push(planned, [...opening, ...closing], 0)
  }

  /** The operation that writes a version; a large one's parts go up first. */
  async #write(
    { node, parent }: PlannedNode,
    version: SourceVersion,
    read: Uint8Array<ArrayBuffer> | undefined,
    base: string | null,
    mtime: TimeSpec | undefined,
  ): Promise<{ operation: Operation & { op: 'write' }; bytes: number }> {
    const small = version.size <= PART_BYTES_MAX
    const data = read ?? (small ? await this.#whole(version) : undefined)
    const extents =
      data === undefined
        ? await this.#upload(node, parent, version)
        : data.length === 0
          ? []
          : [{ offset: 0, data }]
    const size = data?.length ?? sizeOf(extents)
    const operation = {
      op: 'write' as const,
      node,
      base,
      version: uuidv7(),
      size,
      extents,
      ...(mtime === undefined ? {} : { mtime }),
    }
    return { operation, bytes: (data?.length ?? 0) + extents.length * 100 }
  }

  async #upload(node: string, parent: string, version: SourceVersion): Promise<Extent[]> {
    // A part's key is made below a folder that must be there.
    await this.#pusher.flush()
    const hashing = new Hashing()
    const extents: Extent[] = []
    const uploads = new Set<Promise<unknown>>()
    const failures: unknown[] = []
    let offset = 0
    for await (const bytes of inParts(hashing.through(version.bytes()))) {
      if (failures.length > 0) break
      const part = uuidv7()
      extents.push({ offset, length: bytes.length, part, partOffset: 0 })
      offset += bytes.length
      const upload = retrying(this.#signal, () =>
        this.#agent.sync.putPart(node, part, bytes, { parent, signal: this.#signal }),
      )
        .then(() => this.#progress.add(0, bytes.length))
        .catch((error: unknown) => void failures.push(error))
        .finally(() => uploads.delete(upload))
      uploads.add(upload)
      // The first part makes the key that the others share.
      if (uploads.size >= PARTS_AT_ONCE || extents.length === 1) await Promise.race(uploads)
    }
    await Promise.all(uploads)
    if (failures.length > 0) throw failures[0]
    this.#prove(version, hashing.size, hashing.digest())
    return extents
  }

  async #whole(version: SourceVersion): Promise<Uint8Array<ArrayBuffer>> {
    const hashing = new Hashing()
    const all: Uint8Array[] = []
    for await (const chunk of hashing.through(version.bytes())) all.push(chunk)
    this.#prove(version, hashing.size, hashing.digest())
    return Buffer.concat(all)
  }

  #prove({ size, sha256 }: SourceVersion, seen: number, digest: string): void {
    if (this.#manner.acceptChanges) return
    if (seen === size && (sha256 === undefined || sha256 === digest)) return
    throw new Error(
      'it is not what the manifest says: damaged, or edited since (--accept-changes takes it as it is)',
    )
  }

  async #push(
    planned: PlannedNode,
    operations: readonly Operation[],
    bytes: number,
    version?: SourceVersion,
  ): Promise<void> {
    if (operations.length === 0) return
    const settle = (results: readonly OperationResult[]): void =>
      this.#settle(planned, operations, results, version)
    await this.#pusher.add({ operations, bytes, settle })
  }

  #settle(
    planned: PlannedNode,
    operations: readonly Operation[],
    results: readonly OperationResult[],
    version: SourceVersion | undefined,
  ): void {
    for (const [index, result] of results.entries()) {
      if (
        result.status === 'refused' &&
        (result.because === undefined || !this.#failed.some(({ path }) => path === planned.path))
      ) {
        if (result.code === 'quota_exceeded') this.#outOfRoom = true
        const reason = result.code === 'already_exists' ? 'somebody made it meanwhile' : result.message
        this.#failed.push({ path: planned.path, reason, code: result.code })
      } else if (result.status === 'parts_missing') {
        this.#failed.push({
          path: planned.path,
          reason: 'the service has lost parts of it; import again',
          code: undefined,
        })
      } else if (result.status === 'conflict-copy' && operations[index]?.op === 'write') {
        this.#beside.push({
          path: planned.path,
          reason: `somebody wrote it meanwhile; this one is kept as ${result.name}`,
        })
      }
    }
    if (results.some(({ status }) => status === 'refused' || status === 'parts_missing')) return
    const { kind } = planned.source
    if (operations.some(({ op }) => op === 'create' || op === 'symlink') || planned.standing !== undefined) {
      if (kind === 'file') this.#counts[planned.source.deleted === true ? 'deleted' : 'files']++
      else if (kind === 'directory') this.#counts.directories++
    }
    if (version === undefined) return
    this.#counts.versions++
    this.#counts.bytes += version.size
    this.#progress.add(1, version.size > PART_BYTES_MAX ? 0 : version.size)
  }

  #fail({ path }: PlannedNode, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    if (code === 'quota_exceeded') this.#outOfRoom = true
    this.#failed.push({ path, reason, code })
  }

  async #links({ links }: ImportPlan): Promise<void> {
    for (const { path, node, parent, name } of links) {
      const settle = ([result]: readonly OperationResult[]): void => {
        if (result?.status === 'refused')
          this.#failed.push({ path, reason: result.message, code: result.code })
      }
      await this.#pusher.add({ operations: [{ op: 'link', node, parent, name }], bytes: 0, settle })
    }
  }

  async #removeTemporary({ temporary }: ImportPlan): Promise<void> {
    for (const { node, parent, name } of temporary.toReversed()) {
      await this.#pusher.add({
        operations: [{ op: 'rmdir', node, parent, name }],
        bytes: 0,
        settle: () => undefined,
      })
    }
  }

  /** Last, for what is made in a folder changes its time. */
  async #directoryAttributes({ nodes }: ImportPlan): Promise<void> {
    for (const planned of nodes) {
      const { source, node, standing } = planned
      const { mode, uid, gid, mtime } = source
      if (source.kind !== 'directory' || mtime === undefined) continue
      if (standing !== undefined && !this.#manner.existingDirectories) continue
      const operation: Operation = { op: 'setattr', node, mtime, ...given({ mode, uid, gid }) }
      await this.#pusher.add({ operations: [operation], bytes: 0, settle: () => undefined })
    }
  }
}

function createOf({ source, node, parent, name }: PlannedNode): Operation {
  const { kind, target, mtime } = source
  const attributes = { ...given(source), ...(mtime === undefined ? {} : { mtime }) }
  if (kind === 'symlink') return { op: 'symlink', node, parent, name, target: target ?? '', ...attributes }
  // Somebody else's folder of the name is ours too; somebody else's file is not.
  return {
    op: 'create',
    node,
    kind,
    parent,
    name,
    ...attributes,
    ...(kind === 'file' ? { exclusive: true } : {}),
  }
}

/** What follows the content: extended attributes, for a file that was there already its mode, and the end of a deleted one. */
function closingOf({ source, node, parent, name: entry, standing, from }: PlannedNode): Operation[] {
  const operations: Operation[] = []
  const written = from < source.versions.length
  const attributes = given(source)
  if (standing !== undefined && written && Object.keys(attributes).length > 0)
    operations.push({ op: 'setattr', node, ...attributes })
  if (standing === undefined || written) {
    for (const [name, value] of Object.entries(source.xattrs ?? {}))
      operations.push({ op: 'setxattr', node, name, value })
  }
  if (source.deleted === true) operations.push({ op: 'unlink', node, parent, name: entry })
  return operations
}

function given(it: { mode?: number | undefined; uid?: number | undefined; gid?: number | undefined }): {
  mode?: number
  uid?: number
  gid?: number
} {
  const { mode, uid, gid } = it
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
}

function sizeOf(extents: readonly Extent[]): number {
  return extents.reduce((size, extent) => size + ('length' in extent ? extent.length : extent.data.length), 0)
}

async function* inParts(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let part = new Uint8Array(PART_BYTES_MAX)
  let filled = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(PART_BYTES_MAX - filled, chunk.length - at)
      part.set(chunk.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled === PART_BYTES_MAX) {
        yield part
        part = new Uint8Array(PART_BYTES_MAX)
        filled = 0
      }
    }
  }
  if (filled > 0) yield part.slice(0, filled)
}
