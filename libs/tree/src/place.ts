import type { Name, NodeImage } from '@agentfs/contracts'
import { conflictName } from './conflict-name.js'
import type { Overlay } from './overlay.js'
import { Refusal, type ApplyContext } from './outcome.js'

/** The live directory of an id, brought back with its ancestors where it was removed meanwhile [CON-5]. */
export function directoryAt(tree: Overlay, id: string, context: ApplyContext): NodeImage {
  const directory = tree.node(tree.resolve(id))
  if (directory === undefined) throw new Refusal('not_found', 'the directory does not exist')
  if (directory.kind !== 'directory') throw new Refusal('not_a_directory', 'the parent is not a directory')
  return directory.deleted === true ? revive(tree, directory, context) : directory
}

/** A deleted node back at its last place, with the ancestors it needs; under a free name where that is taken. */
export function revive(tree: Overlay, node: NodeImage, context: ApplyContext): NodeImage {
  if (node.deleted !== true) return node
  const last = node.lastEntry
  if (last === undefined) throw new Refusal('not_found', 'the node was deleted')
  const parent = directoryAt(tree, last.parent, context)
  const { deleted: _deleted, lastEntry: _lastEntry, ...rest } = node
  const image: NodeImage = { ...rest, links: 1, ctime: context.time, seq: context.seq }
  tree.putNode(image)
  tree.putEntry(parent.id, freeName(tree, parent.id, last.name, context), image.id)
  touch(tree, parent.id, context)
  return image
}

/** The name itself where it is free, else a conflict name beside it. */
export function freeName(tree: Overlay, parent: string, name: Name, context: ApplyContext): Name {
  const taken = (candidate: Name): boolean => tree.entry(parent, candidate) !== undefined
  return taken(name) ? conflictName(name, context.agentName, taken) : name
}

/** Removes one name of a node; with the last one the node is deleted, and stays known. */
export function removeEntry(
  tree: Overlay,
  parent: string,
  name: Name,
  node: NodeImage,
  context: ApplyContext,
): void {
  tree.putEntry(parent, name, null)
  const links = node.links - 1
  const image: NodeImage = { ...node, links: Math.max(links, 0), ctime: context.time, seq: context.seq }
  tree.putNode(links > 0 ? image : { ...image, deleted: true, lastEntry: { parent, name } })
  touch(tree, parent, context)
}

/** Sets a directory's times after a name in it came or went. */
export function touch(tree: Overlay, directory: string, context: ApplyContext): void {
  const node = tree.node(directory)
  if (node === undefined) return
  tree.putNode({
    ...node,
    mtime: context.time,
    ctime: context.time,
    modifiedAt: context.at,
    modifiedBy: context.author,
    seq: context.seq,
  })
}
