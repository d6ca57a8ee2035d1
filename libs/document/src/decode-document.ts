import { createHash } from 'node:crypto'
import { AgentfsError, type DocumentMetadata } from '@agentfs/contracts'
import { findFrontmatter } from './frontmatter.js'
import { metadataOfLine } from './metadata-line.js'

const LINE_BYTES_MAX = 65_536

/** A document taken apart. */
export type Document =
  | {
      readonly kind: 'document'
      readonly metadata: DocumentMetadata
      readonly content: Buffer
      /** Whether size and hash prove the content; false where somebody edited the document. */
      readonly intact: boolean
    }
  /** The content lies beside it, under the name `beside`. */
  | { readonly kind: 'sidecar'; readonly metadata: DocumentMetadata; readonly beside: string }

/** Takes a document or sidecar apart; undefined where the bytes are neither. */
export function readDocument(bytes: Uint8Array): Document | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = findFrontmatter(text)
  if (found === undefined || found.close === found.inner) return undefined
  const lineStart = Math.max(text.lastIndexOf(0x0a, found.close - 2) + 1, found.inner)
  if (found.close - lineStart > LINE_BYTES_MAX) return undefined
  const line = text.toString('utf8', lineStart, found.close).replace(/\r?\n$/, '')
  const metadata = metadataOfLine(line)
  if (metadata === undefined) return undefined
  if (metadata.beside !== undefined) return { kind: 'sidecar', metadata, beside: metadata.beside }
  // A block that holds nothing else is ours as a whole.
  const [from, to] = lineStart === found.inner ? [found.open, found.body] : [lineStart, found.close]
  const content = Buffer.concat([text.subarray(0, from), text.subarray(to)])
  return { kind: 'document', metadata, content, intact: proves(metadata, content) }
}

/**
 * The content and metadata of a document, the reverse of `encodeDocument`. Throws `invalid_request` where the bytes are no
 * document, and `object_corrupt` where size and hash do not prove the content.
 */
export function decodeDocument(bytes: Uint8Array): { metadata: DocumentMetadata; content: Buffer } {
  const found = readDocument(bytes)
  if (found?.kind !== 'document') {
    throw new AgentfsError('invalid_request', {
      detail: 'these bytes are no document: their frontmatter does not end with the line agentfs: {…}',
    })
  }
  const { metadata, content, intact } = found
  if (!intact) {
    throw new AgentfsError('object_corrupt', {
      detail: `the document of ${metadata.path} was changed: its content has not the size and hash it names`,
    })
  }
  return { metadata, content }
}

function proves(metadata: DocumentMetadata, content: Buffer): boolean {
  if (content.length !== metadata.size) return false
  return createHash('sha256').update(content).digest('hex') === metadata.sha256
}
