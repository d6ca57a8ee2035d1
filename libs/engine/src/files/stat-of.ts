import { type Name, nameToBytes, type Stat } from '@agentfs/contracts'
import type { NodeRow } from '@agentfs/storage'
import { contentTypeOf } from './content-type.js'

/** How far a stream is in the object store. */
export interface StoredPosition {
  readonly epoch: number
  readonly seq: number
}

/** What is known of a node at a path. */
export function statOf(row: NodeRow, names: readonly Name[], epoch: number, stored: StoredPosition): Stat {
  const last = names.at(-1)
  const rawName = last?.startsWith('\0') === true ? Buffer.from(nameToBytes(last)) : undefined
  return {
    node: row.nodeId,
    path: displayNames(names),
    ...(rawName === undefined ? {} : { nameBase64: rawName.toString('base64') }),
    kind: row.kind,
    size: row.size,
    mode: row.mode,
    links: row.links,
    ...(row.target === null ? {} : { target: Buffer.from(row.target).toString('utf8') }),
    version: row.headVersion,
    number: row.number,
    contentType: row.kind === 'file' ? contentTypeOf(last ?? '') : null,
    createdAt: row.createdAt.toISOString(),
    modifiedAt: row.modifiedAt.toISOString(),
    modifiedBy: row.modifiedBy,
    state: stateAt(row.seq, epoch, stored),
  }
}

/** Whether the commit of a seq is in the object store. */
export function stateAt(seq: number, epoch: number, stored: StoredPosition): Stat['state'] {
  return stored.epoch > epoch || (stored.epoch === epoch && stored.seq >= seq) ? 'stored' : 'acknowledged'
}

/** A path for people: names that are no UTF-8 are decoded as well as may be. */
function displayNames(names: readonly Name[]): string {
  return names
    .map((name) => (name.startsWith('\0') ? Buffer.from(nameToBytes(name)).toString('utf8') : name))
    .join('/')
}
