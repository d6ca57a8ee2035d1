import type { NodeImage } from '@agentfs/contracts'
import type { StoreState } from './store-state.js'
import type { Attributes } from './store-types.js'

/** What stat shows of an inode: of an orphan what is left of it, of a held one what the kernel holds. */
export function attributesOf(state: StoreState, ino: number): Attributes {
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) return { ...shown(state, orphan.image, ino), size: orphan.content.size, links: 0 }
  const node = state.nodeOf(ino)
  const held = state.handles.held(ino)
  if (held === undefined || state.journal.mentions(node.id)) return shown(state, node, ino)
  return shown(state, held.image, ino)
}

function shown(state: StoreState, node: NodeImage, ino: number): Attributes {
  const { kind, mode, uid, gid, mtime, ctime, size } = node
  const links = kind === 'directory' ? 2 + state.tree.subdirectories(node.id) : node.links
  return { ino, kind, mode, uid, gid, mtime, ctime, size, links }
}
