import { extname } from 'node:path'
import { encodeDocument, fitsDocument, readDocument } from '@agentfs/document'
import type { NodeLine, VersionLine } from './manifest.js'

/**
 * Whether a file is given our line of frontmatter: Markdown is, for there every tool expects such a block. On top of JSON, a
 * script or a table it would break what reads them; the manifest has their metadata.
 */
export function takesFrontmatter(path: string): boolean {
  return ['.md', '.markdown'].includes(extname(path).toLowerCase())
}

/** A content as a document; undefined where it cannot be one (no UTF-8, or above 1 MiB). */
export function asDocument(
  node: NodeLine,
  version: VersionLine,
  sha256: string,
  bytes: Uint8Array,
): Buffer | undefined {
  if (!fitsDocument(bytes)) return undefined
  const { node: id, path, pathBase64 } = node
  const { number, parentNumbers: parents, author, at, size } = version
  const place = { path, ...(pathBase64 === undefined ? {} : { pathBase64 }) }
  return encodeDocument(bytes, { v: 1, id, ...place, version: number, parents, author, at, size, sha256 })
}

/** The content of a document; undefined where the bytes are none any more. */
export function contentOfDocument(bytes: Uint8Array): Buffer | undefined {
  const read = readDocument(bytes)
  return read?.kind === 'document' ? read.content : undefined
}
