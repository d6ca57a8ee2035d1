import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { AgentfsError, DOCUMENT_BYTES_MAX, type DocumentMetadata, isAgentfsError } from '@agentfs/contracts'
import { encodeDocument, encodeSidecar, fitsDocument, metadataPath } from '@agentfs/document'
import { type Database, findVersions, numbersOfVersions, type VersionRow } from '@agentfs/storage'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { VersionOpener } from '../reads/version-opener.js'
import type { DocumentToWrite } from './mirror-plan.js'

/** The largest content that the mirror copies: an object is written from memory, as a whole. */
const MIRROR_BYTES_MAX = 64 * 1_048_576

/** What is to stand in the store for one file. */
export interface MirrorObjects {
  /** Null where there is nothing to read but the sidecar: the content is too large for the mirror. */
  readonly main: Uint8Array | null
  readonly sidecar: Uint8Array | null
}

/** What it reads with. */
export interface MirrorReading {
  readonly database: Database
  readonly vault: KeyVault
  readonly opener: VersionOpener
  readonly reader: ContentReader
}

/** Versions to make documents of, with what opens them. */
export interface LoadedVersions {
  readonly versions: ReadonlyMap<string, VersionRow>
  readonly numbers: ReadonlyMap<string, number>
  readonly keys: ReadonlyMap<string, UsableKey>
}

/** Makes documents of versions. */
export class MirrorDocuments {
  readonly #tools: MirrorReading

  constructor(tools: MirrorReading) {
    this.#tools = tools
  }

  /** Loads what the documents need, for many at once. */
  async load(
    scope: TenantScope,
    agentId: string,
    documents: readonly DocumentToWrite[],
  ): Promise<LoadedVersions> {
    const ids = documents.flatMap(({ node }) => (node.headVersion === null ? [] : [node.headVersion]))
    return this.#tools.database.withTenant(scope, async (tx) => {
      const rows = await findVersions(tx, agentId, [...new Set(ids)])
      const parents = rows.flatMap((row) => row.parents)
      return {
        versions: new Map(rows.map((row) => [row.versionId, row])),
        numbers: await numbersOfVersions(tx, agentId, parents),
        keys: await this.#tools.vault.load(tx, [...new Set(rows.map(({ keyId }) => keyId))]),
      }
    })
  }

  /** The objects of a document; undefined where its content is gone: erased, or changed and pruned since. */
  async make(
    scope: TenantScope,
    agentId: string,
    document: DocumentToWrite,
    loaded: LoadedVersions,
  ): Promise<MirrorObjects | undefined> {
    const { node } = document
    if (node.headVersion === null) return objectsOf(Buffer.alloc(0), emptyMetadata(document))
    const row = loaded.versions.get(node.headVersion)
    if (row === undefined) return undefined
    try {
      return await this.#ofVersion(scope, agentId, document, row, loaded)
    } catch (error) {
      if (isAgentfsError(error, 'not_found')) return undefined
      throw error
    }
  }

  async #ofVersion(
    scope: TenantScope,
    agentId: string,
    document: DocumentToWrite,
    row: VersionRow,
    { keys, numbers }: LoadedVersions,
  ): Promise<MirrorObjects> {
    const { opener, reader } = this.#tools
    const { layout } = await opener.open(scope, agentId, row, keys)
    const metadata = {
      v: 1 as const,
      id: document.node.nodeId,
      ...metadataPath(document.names),
      version: row.number,
      parents: row.parents.flatMap((id) => numbers.get(id) ?? []),
      author: row.author,
      at: row.createdAt.toISOString(),
      size: row.size,
    }
    if (row.size <= MIRROR_BYTES_MAX) {
      const content = await reader.read(scope, agentId, layout, 0, row.size)
      return objectsOf(content, { ...metadata, sha256: sha256(content) }, besideOf(document))
    }
    const hash = createHash('sha256')
    for await (const piece of reader.stream(scope, agentId, layout, 0, row.size)) hash.update(piece)
    const whole = { ...metadata, sha256: hash.digest('hex'), beside: besideOf(document), omitted: true }
    return { main: null, sidecar: encodeSidecar(whole) }
  }
}

function objectsOf(content: Buffer, metadata: DocumentMetadata, beside = ''): MirrorObjects {
  if (content.length <= DOCUMENT_BYTES_MAX && fitsDocument(content)) {
    return { main: encodeDocument(content, metadata), sidecar: null }
  }
  return { main: content, sidecar: encodeSidecar({ ...metadata, beside }) }
}

/** A file that was never written to. */
function emptyMetadata({ node, names }: DocumentToWrite): DocumentMetadata {
  return {
    v: 1,
    id: node.nodeId,
    ...metadataPath(names),
    version: 0,
    parents: [],
    author: node.modifiedBy,
    at: node.modifiedAt.toISOString(),
    size: 0,
    sha256: sha256(Buffer.alloc(0)),
  }
}

function besideOf({ objectKey }: DocumentToWrite): string {
  const name = objectKey.split('/').at(-1)
  if (name === undefined) throw new AgentfsError('internal', { detail: 'a key has no name' })
  return name
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
