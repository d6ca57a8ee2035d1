import {
  AgentfsError,
  type CommitFrame,
  type NodeImage,
  type SnapshotRow,
  type TreeDelta,
} from '@agentfs/contracts'
import { pathOf } from '@agentfs/tree'
import { confirmedContent } from './file-content.js'
import { ROOT_INO } from './inode-table.js'
import { LayeredTree } from './layered-tree.js'
import { rejectContent } from './rejected-area.js'
import type { StoreState } from './store-state.js'
import type { Invalidation } from './store-types.js'

/** A picture of the tree while its pages arrive, beside the one that is shown. */
export class SnapshotIntake {
  readonly epoch: number
  readonly seq0: number
  readonly root: string
  readonly tree = new LayeredTree()

  constructor(epoch: number, seq0: number, root: string) {
    this.epoch = epoch
    this.seq0 = seq0
    this.root = root
  }

  /** Adds a page; each row is true at its own seq. */
  addRows(rows: readonly SnapshotRow[]): void {
    this.tree.applyConfirmed({
      nodes: rows.map(({ node }) => node),
      entries: rows.flatMap(({ node, entries }) => entries.map((key) => ({ ...key, node: node.id }))),
      aliases: [],
      versions: [],
    })
  }

  /**
   * Folds a commit after `seq0`. A row that was read later already shows it: such a node's image and names are left
   * as they are. Every change of a name also makes a new image of its node, so that the image's seq tells.
   */
  addCommit({ seq, delta }: CommitFrame): void {
    const isNewer = (id: string | undefined): boolean =>
      id !== undefined && (this.tree.node(id)?.seq ?? -1) >= seq
    const entries = delta.entries.filter(
      ({ parent, name, node }) => !isNewer(node ?? undefined) && !isNewer(this.tree.entry(parent, name)),
    )
    const nodes = delta.nodes.filter(({ id }) => !isNewer(id))
    this.tree.applyConfirmed({ nodes, entries, aliases: delta.aliases, versions: [] })
  }
}

/** Shows a finished picture, with the journal applied on top [VIS-5]. */
export function finishSnapshot(
  state: StoreState,
  intake: SnapshotIntake,
  seq: number,
): readonly Invalidation[] {
  if (intake.epoch === state.facts.epoch && seq < state.facts.seq) {
    throw new AgentfsError('too_old', {
      detail: 'a push was settled while the snapshot was taken; take another',
    })
  }
  return state.transactReloading(() => {
    const before = shownNodes(state)
    const old = state.tree
    if (intake.epoch !== state.facts.epoch && state.facts.root !== null) rejectLost(state, intake)
    const vanished = carryOver(state, intake, old)
    state.tree = intake.tree
    state.contents.clear()
    state.prefetchable = null
    state.inodes.set(intake.root, ROOT_INO)
    state.chunks.clear()
    const ids: string[] = []
    for (const node of intake.tree.confirmedNodes()) {
      state.inodes.assign(node.id)
      ids.push(node.id)
    }
    state.chunks.write(ids, (id) => state.storedNode(id))
    for (const [alias, node] of intake.tree.confirmedAliases()) {
      state.database
        .sql(
          'insert into aliases (alias, node) values (?, ?) on conflict (alias) do update set node = excluded.node',
        )
        .run(alias, node)
    }
    const stored = intake.epoch === state.facts.epoch ? state.facts.stored : 0
    state.setFacts({ epoch: intake.epoch, seq, root: intake.root, stored })
    state.replayJournal()
    for (const id of vanished) state.graveyard.add(id)
    return state.handles.defer(differences(state, before))
  })
}

interface ShownNode {
  readonly image: NodeImage
  readonly ino: number
  readonly names: string
}

function shownNodes(state: StoreState): Map<string, ShownNode> {
  const shown = new Map<string, ShownNode>()
  for (const image of state.tree.nodes()) {
    const ino = state.inodes.of(image.id)
    if (image.deleted !== true && ino !== undefined)
      shown.set(image.id, { image, ino, names: namesOf(state, image.id) })
  }
  return shown
}

function namesOf(state: StoreState, id: string): string {
  return state.tree
    .entriesOf(id)
    .map(({ parent, name }) => `${parent}/${name}`)
    .toSorted()
    .join('\n')
}

/** Brings over what a snapshot does not say: aliases, and nodes that the journal names, as deleted where they are gone. */
function carryOver(state: StoreState, intake: SnapshotIntake, old: LayeredTree): string[] {
  for (const [alias, node] of old.confirmedAliases()) intake.tree.setAlias(alias, node)
  const gone: NodeImage[] = []
  for (const node of old.confirmedNodes()) {
    if (!state.journal.mentions(node.id) || intake.tree.node(node.id) !== undefined) continue
    const [lastEntry] = old.confirmedNames(node.id)
    if (lastEntry !== undefined) gone.push({ ...node, deleted: true, links: 0, lastEntry })
  }
  const delta: TreeDelta = { nodes: gone, entries: [], aliases: [], versions: [] }
  intake.tree.applyConfirmed(delta)
  return gone.map(({ id }) => id)
}

/** What was acknowledged, not stored, and is not in the new epoch goes to the rejected area, readable [SY-4]. */
function rejectLost(state: StoreState, intake: SnapshotIntake): void {
  const reason = {
    code: 'epoch_changed',
    message: 'the service was restored from an older state, which lacks this version',
  }
  for (const row of state.database.sql('select node, version from unstored').all()) {
    const [node, version] = [String(row['node']), String(row['version'])]
    const image = state.tree.confirmedNode(node)
    if (image === undefined || image.version !== version || intake.tree.node(node)?.version === version)
      continue
    const content = confirmedContent(version, image.size)
    // Its blocks pass from the cache to the rejected area as pieces are: by the pin on the version.
    const path = state.facts.root === null ? undefined : pathOf(state.tree, node, state.facts.root)
    // Of a file larger than the cache that is what was written last; the rest is in the version before, which was stored.
    if (image.size === 0 || state.cache.blocksOf(version).length > 0) {
      rejectContent(state, { node, path: (path ?? []).join('/'), version, content }, reason)
    }
  }
  state.database.sql('delete from unstored').run()
}

/** What the kernel must forget: every inode and name that shows something else now. */
function differences(state: StoreState, before: ReadonlyMap<string, ShownNode>): Invalidation[] {
  const changes: Invalidation[] = []
  const directories = new Set<number>()
  const entryChanged = (parent: string, name: string): void => {
    const parentIno = state.inodes.of(parent)
    if (parentIno === undefined) return
    changes.push({ kind: 'entry', parentIno, name })
    directories.add(parentIno)
  }
  for (const [id, shown] of before) {
    const now = state.tree.live(id)
    if (now === undefined) {
      if (shown.image.kind === 'file' && state.handles.isOpen(shown.ino)) {
        state.handles.makeOrphan(shown.ino, shown.image, state.contentOf(shown.image))
      }
      if (state.inodes.node(shown.ino) === id) state.inodes.drop(shown.ino)
      changes.push({ kind: 'attributes', ino: shown.ino })
    } else if (now.version !== shown.image.version) changes.push({ kind: 'content', ino: shown.ino })
    else if (now !== shown.image) changes.push({ kind: 'attributes', ino: shown.ino })
    const names = namesOf(state, id)
    if (names === shown.names) continue
    const changed = [...shown.names.split('\n'), ...names.split('\n')].filter((key) => key !== '')
    for (const key of changed) {
      const slash = key.indexOf('/')
      entryChanged(key.slice(0, slash), key.slice(slash + 1))
    }
  }
  for (const node of state.tree.nodes()) {
    if (node.deleted === true || before.has(node.id)) continue
    if (before.size > 0)
      for (const { parent, name } of state.tree.entriesOf(node.id)) entryChanged(parent, name)
  }
  for (const ino of directories) changes.push({ kind: 'content', ino })
  return changes
}
