import { nameFault, type Name } from '@agentfs/contracts'
import type { ImportSource, SourceNode, Trouble } from './import-source.js'
import { timeOf } from './import-source.js'
import { textLinesOf } from './lines.js'
import { damaged, MANIFEST_NAME, readManifest } from './manifest.js'
import { assertInside, nodesOfManifest } from './source-of-manifest.js'
import { entriesOfArchive, readEntry, type TarEntry } from './tar-entries.js'

/** A tar file: an export, where it holds a manifest, or any other. All of it is looked through before anything is taken. */
export async function tarSource(path: string, which: 'all' | 'head'): Promise<ImportSource> {
  const entries = await entriesOfArchive(path)
  const found = entries.find(({ name }) => name.replace(/^\.\//, '') === MANIFEST_NAME)
  const taken =
    found === undefined ? nodesOfEntries(path, entries) : await nodesOfExport(path, entries, found, which)
  return { name: path, ...taken, close: () => Promise.resolve() }
}

async function nodesOfExport(
  path: string,
  entries: readonly TarEntry[],
  found: TarEntry,
  which: 'all' | 'head',
) {
  const manifest = await readManifest(textLinesOf(readEntry(path, found)), `${path}: ${MANIFEST_NAME}`)
  const places = new Map(entries.map((entry) => [entry.name.replace(/^\.\//, ''), entry]))
  for (const { versions } of manifest.nodes) {
    for (const { file, missing, size } of versions) {
      if (missing !== undefined) continue
      const entry = places.get(assertInside(file, path))
      if (entry === undefined || (entry.type !== 'file' && entry.type !== 'link')) {
        throw damaged(`${path} lacks ${file ?? ''}, which its manifest names (${size} bytes)`)
      }
    }
  }
  return nodesOfManifest(manifest, which, ({ file }) => bytesAt(path, places, file ?? ''))
}

/** Another archive's hard links lead to the entry that has the bytes. */
function bytesAt(
  path: string,
  places: ReadonlyMap<string, TarEntry>,
  file: string,
): AsyncIterable<Uint8Array> {
  const entry = places.get(file)
  const holder = entry?.type === 'link' ? places.get(entry.linkname.replace(/^\.\//, '')) : entry
  if (holder?.type !== 'file') throw damaged(`${path} lacks the bytes of ${file}`)
  return readEntry(path, holder)
}

function nodesOfEntries(
  path: string,
  entries: readonly TarEntry[],
): { nodes: SourceNode[]; deleted: SourceNode[]; troubles: Trouble[] } {
  const nodes = new Map<string, SourceNode & { links: (readonly Name[])[] }>()
  const troubles: Trouble[] = []
  for (const entry of entries) {
    const names = namesIn(path, entry.name)
    if (names.length === 0) continue
    for (let depth = 1; depth < names.length; depth++) {
      const above = names.slice(0, depth)
      const standing = nodes.get(above.join('/'))
      if (standing === undefined)
        nodes.set(above.join('/'), { kind: 'directory', names: above, links: [], versions: [] })
      else if (standing.kind !== 'directory')
        throw damaged(`${path}: ${entry.name} leads through something that is no folder`)
    }
    const own = {
      names,
      mode: entry.mode & 0o7777,
      mtime: timeOf(entry.mtime),
      links: [] as (readonly Name[])[],
    }
    const key = names.join('/')
    switch (entry.type) {
      case 'directory':
        nodes.set(key, { kind: 'directory', ...own, versions: [] })
        break
      case 'symlink':
        if (entry.linkname.includes('\uFFFD')) throw refused(path, entry.name, 'what it leads to is no UTF-8')
        nodes.set(key, { kind: 'symlink', ...own, mode: 0o777, target: entry.linkname, versions: [] })
        break
      case 'link': {
        const other = nodes.get(namesIn(path, entry.linkname).join('/'))
        if (other?.kind !== 'file')
          throw damaged(`${path}: ${entry.name} is a link to ${entry.linkname}, which is not before it`)
        other.links.push(names)
        break
      }
      case 'file':
      case 'contiguous-file':
        nodes.set(key, {
          kind: 'file',
          ...own,
          versions: [{ size: entry.size, at: own.mtime, bytes: () => readEntry(path, entry) }],
        })
        break
      default:
        troubles.push({ path: entry.name, reason: 'a pipe or device; these are not kept' })
    }
  }
  return { nodes: [...nodes.values()], deleted: [], troubles }
}

function namesIn(path: string, name: string): Name[] {
  if (name.startsWith('/')) throw refused(path, name, 'its path is absolute')
  const names = name.split('/').filter((part) => part !== '' && part !== '.')
  for (const part of names) {
    const fault = part.includes('\uFFFD') ? 'its name is no UTF-8' : nameFault(part)
    if (fault !== null) throw refused(path, name, fault)
  }
  return names
}

function refused(path: string, name: string, why: string): Error {
  return damaged(`${path}: the entry ${JSON.stringify(name)} is refused: ${why}; nothing was imported`)
}
