import { z } from 'zod'
import { uuid } from './ids.js'
import { timeSpec, wireName } from './tree-images.js'

const bytes = z.instanceof(Uint8Array)
const mode = z.int().min(0).max(0o7777)
const owner = z.int().min(0).max(0xffffffff)

/** Content above this many bytes goes up first as parts [SY-13]; also the size of a part. */
export const PART_BYTES_MAX = 1_048_576

/** Bytes of a file at an offset: carried inline, in a part that went up before, or zeros that are kept nowhere (a hole). */
export const extent = z.union([
  z.object({ offset: z.int().min(0), data: bytes }),
  z.object({
    offset: z.int().min(0),
    length: z.int().min(1),
    part: uuid,
    partOffset: z.int().min(0).max(PART_BYTES_MAX),
  }),
  z.object({ offset: z.int().min(0), length: z.int().min(1), hole: z.literal(true) }),
])
/** Bytes of a file at an offset: inline, in an uploaded part, or a hole. */
export type Extent = z.infer<typeof extent>

const attributes = {
  mode: mode.optional(),
  uid: owner.optional(),
  gid: owner.optional(),
  mtime: timeSpec.optional(),
}

const at = z.object({ parent: uuid, name: wireName })

/** A new empty file or directory; its id comes from the client [SY-10]. `exclusive` (O_EXCL) refuses an existing name. */
const create = z.object({
  op: z.literal('create'),
  node: uuid,
  kind: z.enum(['file', 'directory']),
  ...at.shape,
  ...attributes,
  exclusive: z.boolean().optional(),
})

const symlink = z.object({
  op: z.literal('symlink'),
  node: uuid,
  ...at.shape,
  target: z.string().min(1).max(4096),
  ...attributes,
})

/**
 * New content of a file: `base` with the extents laid over it, cut or grown to `size`. `version` is the id
 * of the version this makes, chosen by the client so that later operations can be based on it [SY-9].
 */
const write = z.object({
  op: z.literal('write'),
  node: uuid,
  base: uuid.nullable(),
  version: uuid,
  size: z.int().min(0),
  extents: z.array(extent),
  mtime: timeSpec.optional(),
})

/**
 * Bytes at the end, wherever that is by then; no base, never in conflict [CON-2]. What went up before in `parts` comes first,
 * in their order, then `data`.
 */
const append = z.object({
  op: z.literal('append'),
  node: uuid,
  version: uuid,
  data: bytes,
  parts: z
    .array(
      z.object({
        part: uuid,
        partOffset: z.int().min(0).max(PART_BYTES_MAX),
        length: z.int().min(1).max(PART_BYTES_MAX),
      }),
    )
    .optional(),
  mtime: timeSpec.optional(),
})

const truncate = z.object({
  op: z.literal('truncate'),
  node: uuid,
  base: uuid.nullable(),
  version: uuid,
  size: z.int().min(0),
  mtime: timeSpec.optional(),
})

const setattr = z.object({ op: z.literal('setattr'), node: uuid, ...attributes })

/** `expected` is the node the writer saw at the destination, null for none. */
const rename = z.object({
  op: z.literal('rename'),
  node: uuid,
  from: at,
  to: at,
  expected: uuid.nullable(),
  flags: z.enum(['none', 'noreplace', 'exchange']).default('none'),
})

/**
 * Save by rename [SY-11]: `target` keeps its id, history and grants and takes the content and attributes of `source`,
 * whose entry `from` goes and whose id becomes an alias. Content is inline extents, or a version of the source.
 */
const replace = z.object({
  op: z.literal('replace'),
  source: uuid,
  from: at,
  target: uuid,
  to: at,
  base: uuid.nullable(),
  version: uuid,
  content: z.union([
    z.object({ size: z.int().min(0), extents: z.array(extent) }),
    z.object({ sourceVersion: uuid.nullable() }),
  ]),
  ...attributes,
})

const link = z.object({ op: z.literal('link'), node: uuid, ...at.shape })

/** `base` is the version the deleter knew: a newer edit wins over the deletion [CON-5]. */
const unlink = z.object({
  op: z.literal('unlink'),
  node: uuid,
  ...at.shape,
  base: uuid.nullable().optional(),
})
const rmdir = z.object({ op: z.literal('rmdir'), node: uuid, ...at.shape })

const setxattr = z.object({
  op: z.literal('setxattr'),
  node: uuid,
  name: z.string().min(1).max(255),
  /** base64 */
  value: z.string().max(90_000),
})
const removexattr = z.object({
  op: z.literal('removexattr'),
  node: uuid,
  name: z.string().min(1).max(255),
})

/** What a client asks for, in terms of node ids and entries [SY-10]. */
export const operation = z.discriminatedUnion('op', [
  create,
  symlink,
  write,
  append,
  truncate,
  setattr,
  rename,
  replace,
  link,
  unlink,
  rmdir,
  setxattr,
  removexattr,
])
/** What a client asks for. */
export type Operation = z.infer<typeof operation>
/** The operation of one kind. */
export type OperationOf<K extends Operation['op']> = Extract<Operation, { op: K }>
