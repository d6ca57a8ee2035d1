import { isUtf8 } from 'node:buffer'
import { AgentfsError, DOCUMENT_BYTES_MAX, type DocumentMetadata } from '@agentfs/contracts'
import { isMap, parseDocument } from 'yaml'
import { findFrontmatter, type Frontmatter, lineEnding, textStart } from './frontmatter.js'
import { metadataLine } from './metadata-line.js'

// Reading YAML takes time that grows with it; nobody writes more by hand.
const OWN_FRONTMATTER_BYTES_MAX = 65_536

/** Whether a content can stand in a document: UTF-8 text of at most 1 MiB. Anything else lies beside a sidecar. */
export function fitsDocument(content: Uint8Array): boolean {
  return content.length <= DOCUMENT_BYTES_MAX && isUtf8(content)
}

/**
 * The document of a content that `fitsDocument` (`invalid_request` else): the content with one line `agentfs: {…}` more. It
 * is the last line of the content's own frontmatter where that is YAML which the line leaves valid; anywhere else it
 * stands in a block of its own before the content. A byte order mark stays first.
 */
export function encodeDocument(content: Uint8Array, metadata: DocumentMetadata): Buffer {
  if (!fitsDocument(content)) {
    throw new AgentfsError('invalid_request', {
      detail: 'a document holds UTF-8 text of at most 1 MiB; this content needs a sidecar',
    })
  }
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const own = findFrontmatter(text)
  if (own !== undefined) {
    const ending = lineEnding(text, own.open)
    const line = metadataLine(metadata)
    if (staysValid(text, own, line)) return insert(text, own.close, Buffer.from(line + ending))
  }
  const start = textStart(text)
  return insert(text, start, Buffer.from(block(metadata, lineEnding(text, start))))
}

/** The sidecar of a content that lies beside it under the name `beside`: a document without content. */
export function encodeSidecar(metadata: DocumentMetadata & { readonly beside: string }): Buffer {
  return Buffer.from(block(metadata, '\n'))
}

function block(metadata: DocumentMetadata, ending: string): string {
  return ['---', metadataLine(metadata), '---', ''].join(ending)
}

function insert(text: Buffer, at: number, addition: Buffer): Buffer {
  return Buffer.concat([text.subarray(0, at), addition, text.subarray(at)])
}

/**
 * Whether an own block takes the line: an empty one could not be told from ours, and one that is no mapping, is not valid,
 * holds the key already or has `...` in it would not be valid with it.
 */
function staysValid(text: Buffer, own: Frontmatter, line: string): boolean {
  if (own.close === own.inner || own.close - own.inner > OWN_FRONTMATTER_BYTES_MAX) return false
  const inner = text.toString('utf8', own.inner, own.close)
  const parsed = parseDocument(inner + line, { logLevel: 'silent' })
  if (parsed.errors.length > 0 || parsed.warnings.length > 0 || !isMap(parsed.contents)) return false
  try {
    const { agentfs } = parsed.toJS() as { readonly agentfs?: unknown }
    return metadataLine(agentfs) === line
  } catch {
    // An alias names nothing, or aliases of aliases grow without bounds.
    return false
  }
}
