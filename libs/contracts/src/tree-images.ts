import { z } from 'zod'
import { sha256Hex, uuid } from './ids.js'

/** A time as whole seconds since the epoch and nanoseconds within the second. */
export const timeSpec = z.tuple([z.int(), z.int().min(0).max(999_999_999)])
/** [seconds, nanoseconds] since the epoch. */
export type TimeSpec = z.infer<typeof timeSpec>

/** What a node can be. */
export const nodeKind = z.enum(['file', 'directory', 'symlink'])
/** What a node can be. */
export type NodeKind = z.infer<typeof nodeKind>

/** A name on the sync wire; see names.ts for bytes that are not UTF-8. */
export const wireName = z.string().min(1).max(350)

/**
 * A node as it is after a commit (a post-image): applying the newest image of each node gives the tree.
 * `deleted` nodes stay known, so that a late edit can bring them back [CON-5].
 */
export const nodeImage = z.object({
  id: uuid,
  kind: nodeKind,
  /** Permission bits, without the file type. */
  mode: z.int().min(0).max(0o7777),
  uid: z.int().min(0).max(0xffffffff),
  gid: z.int().min(0).max(0xffffffff),
  mtime: timeSpec,
  ctime: timeSpec,
  /** Bytes of a file; of a symlink, the bytes of its target; 0 for a directory. */
  size: z.int().min(0),
  /** The head version of a file; null while it has no content and for other kinds. */
  version: uuid.nullable(),
  /** The head's number, for people; 0 without a version. */
  number: z.int().min(0),
  /** How many entries name the node. */
  links: z.int().min(0),
  target: z.string().optional(),
  /** Values in base64. */
  xattrs: z.record(z.string(), z.string()).optional(),
  createdAt: z.iso.datetime(),
  modifiedAt: z.iso.datetime(),
  /** Who wrote the head: `agent/<name>`, `user/<id>` or `key/<id>`. */
  modifiedBy: z.string(),
  /** The seq this image is true at. */
  seq: z.int().min(0),
  deleted: z.boolean().optional(),
  /** Where a deleted node last was, so that it can come back there. */
  lastEntry: z.object({ parent: uuid, name: wireName }).optional(),
})
/** A node as it is after a commit. */
export type NodeImage = z.infer<typeof nodeImage>

/** A name as it is after a commit: `node` null where the entry is gone. */
export const entryImage = z.object({ parent: uuid, name: wireName, node: uuid.nullable() })
/** A name as it is after a commit. */
export type EntryImage = z.infer<typeof entryImage>

/** A losing id that stands for the surviving node for ever [SY-12]. */
export const aliasImage = z.object({ alias: uuid, node: uuid })
/** A losing id and the node it stands for. */
export type AliasImage = z.infer<typeof aliasImage>

/** A version made by a commit. */
export const versionImage = z.object({
  id: uuid,
  node: uuid,
  number: z.int().min(1),
  parents: z.array(uuid),
  size: z.int().min(0),
  /** Hash over the sealed manifest, so that the record pins the content [ENC-2]. */
  manifestHash: sha256Hex,
})
/** A version made by a commit. */
export type VersionImage = z.infer<typeof versionImage>
