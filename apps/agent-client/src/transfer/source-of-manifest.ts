import { collect } from './collect.js'
import { contentOfDocument } from './document-form.js'
import { type SourceNode, type SourceVersion, timeOf, type Trouble } from './import-source.js'
import { damaged, type Manifest, type ManifestNode, namesOfPlace, type VersionLine } from './manifest.js'

/** The nodes that a manifest tells; `open` gives the bytes of a version as they lie in the export. */
export function nodesOfManifest(
  manifest: Manifest,
  which: 'all' | 'head',
  open: (version: VersionLine) => AsyncIterable<Uint8Array>,
): { nodes: SourceNode[]; deleted: SourceNode[]; troubles: Trouble[] } {
  const nodes: SourceNode[] = []
  const deleted: SourceNode[] = []
  const troubles: Trouble[] = []
  const directories = new Set<string>()
  for (const [index, node] of manifest.nodes.entries()) {
    const where = `${manifest.header.agent.name}'s manifest`
    const names = namesOfPlace(node.line, where)
    const key = names.slice(0, -1).join('/')
    if (names.length === 0 && index > 0) throw damaged(`${where}: a second root`)
    const gone = node.line.deletedAt !== undefined
    if (gone && node.line.type !== 'file')
      throw damaged(`${where}: ${node.line.path} is deleted, and no file`)
    if (names.length > 1 && !gone && !directories.has(key))
      throw damaged(`${where}: ${node.line.path} comes before its folder`)
    if (node.line.type === 'directory') directories.add(names.join('/'))
    if (node.versions.at(-1)?.missing !== undefined) {
      troubles.push({
        path: node.line.path,
        reason: `its content is not in the export: ${node.versions.at(-1)?.missing ?? ''}`,
      })
    } else if (gone) deleted.push({ ...nodeOf(node, which, open, where), deleted: true })
    else nodes.push(nodeOf(node, which, open, where))
  }
  return { nodes, deleted, troubles }
}

function nodeOf(
  { line, versions }: ManifestNode,
  which: 'all' | 'head',
  open: (version: VersionLine) => AsyncIterable<Uint8Array>,
  where: string,
): SourceNode {
  const { type: kind, mode, uid, gid, mtime, target, xattrs, links = [] } = line
  if (kind === 'symlink' && (target === undefined || target === ''))
    throw damaged(`${where}: ${line.path} has no target`)
  const kept = versions.filter(({ missing }) => missing === undefined)
  const chosen = which === 'head' ? kept.slice(-1) : kept
  return {
    kind,
    names: namesOfPlace(line, where),
    mode,
    uid,
    gid,
    mtime,
    ...(target === undefined ? {} : { target }),
    ...(xattrs === undefined ? {} : { xattrs }),
    links: links.map((place) => namesOfPlace(place, where)),
    versions: chosen.map((version) => versionOf(version, open)),
  }
}

function versionOf(
  line: VersionLine,
  open: (version: VersionLine) => AsyncIterable<Uint8Array>,
): SourceVersion {
  const { size, sha256, form, at } = line
  return {
    size,
    ...(sha256 === undefined ? {} : { sha256 }),
    at: timeOf(new Date(at)),
    bytes: () => (form === 'document' ? undressed(open(line)) : open(line)),
  }
}

/** A document's content. Where our line is gone, somebody took it away: what is left is the content. */
async function* undressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = await collect(chunks)
  yield contentOfDocument(bytes) ?? bytes
}

/** Refuses a place within an export that would lead out of it. */
export function assertInside(file: string | undefined, where: string): string {
  const inside = file !== undefined && /^(files|versions|renamed)\//.test(file) && !file.includes('\0')
  if (inside && file.split('/').every((name) => name !== '' && name !== '.' && name !== '..')) return file
  throw damaged(`${where}: ${JSON.stringify(file ?? null)} is no place within an export`)
}
