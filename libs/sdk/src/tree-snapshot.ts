import { AgentfsError, type CommitFrame, type NodeImage, type SnapshotRow } from '@agentfs/contracts'
import type { SyncRoutes } from './sync.js'

/** A whole tree as it was at one seq: nothing of a commit is there in part. */
export interface TreeSnapshot {
  readonly epoch: number
  readonly seq: number
  readonly root: string
  /** Every living node, by id. */
  readonly nodes: ReadonlyMap<string, NodeImage>
  /** What each directory holds: name to node, by the directory's id. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** Times a snapshot starts anew because the agent moved on faster than it could be read. */
const TRIES_MAX = 5

/**
 * Reads a whole tree as of one seq, however much is written meanwhile: pages by node id, then the commits since the first page.
 * Throws `unavailable` where the agent changes too quickly for that.
 */
export async function readTree(sync: SyncRoutes, signal?: AbortSignal): Promise<TreeSnapshot> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(sync, signal)
    } catch (error) {
      const overtaken =
        error instanceof AgentfsError && (error.code === 'too_old' || error.code === 'epoch_changed')
      if (!overtaken) throw error
      if (attempt >= TRIES_MAX) {
        const detail = 'the agent changes faster than its tree can be read; try again later'
        throw new AgentfsError('unavailable', { detail }, { cause: error })
      }
    }
  }
}

async function readOnce(sync: SyncRoutes, signal: AbortSignal | undefined): Promise<TreeSnapshot> {
  const tree = new GrowingTree()
  let page = await sync.snapshot({ limit: 5_000 })
  const { epoch, root } = page
  for (;;) {
    signal?.throwIfAborted()
    for (const row of page.rows) tree.add(row)
    if (page.nextCursor === null) break
    page = await sync.snapshot({ limit: 5_000, cursor: page.nextCursor })
  }
  // Rows may hold more than seq0, each as of its own time. All commits up to one head, in order, make them of one time.
  let seq = page.seq0
  let head: number | undefined
  do {
    signal?.throwIfAborted()
    const changes = await sync.changes(seq, epoch)
    head ??= changes.head
    for (const commit of changes.commits) if (commit.seq <= head) tree.apply(commit)
    seq = Math.min(head, changes.commits.at(-1)?.seq ?? head)
  } while (seq < head)
  return { epoch, seq, root, nodes: tree.nodes, entries: tree.entries }
}

class GrowingTree {
  readonly nodes = new Map<string, NodeImage>()
  readonly entries = new Map<string, Map<string, string>>()

  add({ node, entries }: SnapshotRow): void {
    this.nodes.set(node.id, node)
    for (const { parent, name } of entries) this.#names(parent).set(name, node.id)
  }

  apply({ delta }: CommitFrame): void {
    for (const node of delta.nodes) {
      if (node.deleted === true) this.nodes.delete(node.id)
      else this.nodes.set(node.id, node)
    }
    for (const { parent, name, node } of delta.entries) {
      if (node === null) this.#names(parent).delete(name)
      else this.#names(parent).set(name, node)
    }
  }

  #names(directory: string): Map<string, string> {
    const known = this.entries.get(directory)
    if (known !== undefined) return known
    const names = new Map<string, string>()
    this.entries.set(directory, names)
    return names
  }
}
