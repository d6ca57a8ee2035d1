import { z } from 'zod'
import { sha256Hex, uuid } from './ids.js'

/** The largest content that stands in a document; more lies beside a sidecar. */
export const DOCUMENT_BYTES_MAX = 1_048_576

/**
 * What a document says of the version it shows, docs/FORMATS.md "A document". Fields that a reader does not know are kept, so
 * that later writers may add some.
 */
export const documentMetadata = z.looseObject({
  v: z.literal(1),
  /** The node: it survives renames. */
  id: uuid,
  /** The path in the agent's home; where its bytes are no UTF-8, U+FFFD stands for what is not, and `pathBase64` is the path. */
  path: z.string(),
  pathBase64: z.base64().optional(),
  /** The version's number, and those of its parents that are kept. */
  version: z.int().min(0),
  parents: z.array(z.int().min(1)),
  /** Who wrote it: `agent/<name>`, `user/<id>` or `key/<id>`. */
  author: z.string(),
  at: z.iso.datetime(),
  /** Of the content, in bytes. */
  size: z.int().min(0),
  /** SHA-256 of the content, in hex. */
  sha256: sha256Hex,
  /** Of a sidecar alone: the name of the file or object beside it that holds the content. */
  beside: z.string().min(1).optional(),
})
/** What a document says of the version it shows. */
export type DocumentMetadata = z.infer<typeof documentMetadata>
