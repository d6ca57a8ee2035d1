import { type Name, nameFromBytes, nameToBytes, type NodeImage, type NodeKind } from '@agentfs/contracts'

/** A node's row. */
export interface NodeRow {
  readonly nodeId: string
  readonly kind: NodeKind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly ctimeSec: number
  readonly ctimeNsec: number
  readonly size: number
  readonly headVersion: string | null
  readonly number: number
  readonly links: number
  readonly target: Uint8Array | null
  readonly xattrs: Record<string, string> | null
  readonly contentKeyId: string | null
  readonly createdAt: Date
  readonly modifiedAt: Date
  readonly modifiedBy: string
  readonly seq: number
  readonly deletedAt: Date | null
  readonly deletedParent: string | null
  readonly deletedName: Uint8Array | null
}

/** The post-image that a row holds. */
export function imageOfRow(row: NodeRow): NodeImage {
  const lastEntry =
    row.deletedParent === null || row.deletedName === null
      ? {}
      : { lastEntry: { parent: row.deletedParent, name: nameFromBytes(row.deletedName) } }
  return {
    id: row.nodeId,
    kind: row.kind,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    mtime: [row.mtimeSec, row.mtimeNsec],
    ctime: [row.ctimeSec, row.ctimeNsec],
    size: row.size,
    version: row.headVersion,
    number: row.number,
    links: row.links,
    ...(row.target === null ? {} : { target: Buffer.from(row.target).toString('utf8') }),
    ...(row.xattrs === null ? {} : { xattrs: row.xattrs }),
    createdAt: row.createdAt.toISOString(),
    modifiedAt: row.modifiedAt.toISOString(),
    modifiedBy: row.modifiedBy,
    seq: row.seq,
    ...(row.deletedAt === null ? {} : { deleted: true }),
    ...lastEntry,
  }
}

/** The row that keeps a post-image; `deletedAt` is the commit's time for a deleted node. */
export function rowOfImage(image: NodeImage, contentKeyId: string | null, at: Date): NodeRow {
  return {
    nodeId: image.id,
    kind: image.kind,
    mode: image.mode,
    uid: image.uid,
    gid: image.gid,
    mtimeSec: image.mtime[0],
    mtimeNsec: image.mtime[1],
    ctimeSec: image.ctime[0],
    ctimeNsec: image.ctime[1],
    size: image.size,
    headVersion: image.version,
    number: image.number,
    links: image.links,
    target: image.target === undefined ? null : Buffer.from(image.target, 'utf8'),
    xattrs: image.xattrs ?? null,
    contentKeyId,
    createdAt: new Date(image.createdAt),
    modifiedAt: new Date(image.modifiedAt),
    modifiedBy: image.modifiedBy,
    seq: image.seq,
    deletedAt: image.deleted === true ? at : null,
    deletedParent: image.lastEntry?.parent ?? null,
    deletedName: image.lastEntry === undefined ? null : nameToBytes(image.lastEntry.name),
  }
}

/** A name as its column holds it. */
export function nameColumn(name: Name): Uint8Array {
  return nameToBytes(name)
}
