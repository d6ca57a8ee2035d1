import { constants, createReadStream, existsSync, realpathSync } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { type Name, nameFromBytes, type TimeSpec } from '@agentfs/contracts'
import { UsageError } from '../exit-codes.js'
import { loadManifest } from './export-state.js'
import { STATE_FOLDER } from './export-to-folder.js'
import { type ImportSource, type SourceNode, shown, type Trouble } from './import-source.js'
import { damaged, MANIFEST_NAME } from './manifest.js'
import { assertInside, nodesOfManifest } from './source-of-manifest.js'

/** A folder: an export, where it holds a manifest, or any other. */
export async function folderSource(path: string, which: 'all' | 'head'): Promise<ImportSource> {
  if (existsSync(join(path, MANIFEST_NAME))) return exportedFolder(path, which)
  if (existsSync(join(path, STATE_FOLDER))) {
    throw new UsageError(`${path} is an export that was not finished; finish it with export --resume`)
  }
  return anyFolder(path)
}

async function exportedFolder(path: string, which: 'all' | 'head'): Promise<ImportSource> {
  const manifest = await loadManifest(join(path, MANIFEST_NAME))
  const root = realpathSync(path)
  for (const { versions } of manifest.nodes) {
    for (const { file, missing } of versions)
      if (missing === undefined) assertInside(file, join(path, MANIFEST_NAME))
  }
  const taken = nodesOfManifest(manifest, which, ({ file }) => readInside(root, file ?? ''))
  return { name: path, ...taken, close: () => Promise.resolve() }
}

/** A regular file below a folder, reached through no symbolic link. */
async function* readInside(root: string, file: string): AsyncGenerator<Uint8Array> {
  const path = join(root, file)
  if (realpathSync(dirname(path)) !== dirname(path))
    throw damaged(`${file} is reached through a symbolic link`)
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw damaged(`${file} is no regular file`)
    for await (const chunk of handle.createReadStream({ autoClose: false })) yield chunk as Uint8Array
  } finally {
    await handle.close()
  }
}

async function anyFolder(path: string): Promise<ImportSource> {
  const nodes: SourceNode[] = []
  const troubles: Trouble[] = []
  const inodes = new Map<string, { links: (readonly Name[])[] }>()
  const visit = async (directory: Buffer, names: readonly Name[]): Promise<void> => {
    let entries: Buffer[]
    try {
      entries = await readdir(directory, { encoding: 'buffer' })
    } catch (error) {
      troubles.push({ path: shown(names), reason: `cannot be read: ${(error as Error).message}` })
      return
    }
    for (const name of entries.toSorted((a, b) => Buffer.compare(a, b))) {
      await visitEntry(Buffer.concat([directory, Buffer.from(sep), name]), [...names, nameFromBytes(name)])
    }
  }
  const visitEntry = async (at: Buffer, names: readonly Name[]): Promise<void> => {
    const stat = await lstat(at, { bigint: true })
    const mode = Number(stat.mode & 0o7777n)
    const mtime = timeOfNs(stat.mtimeNs)
    if (stat.isDirectory()) {
      nodes.push({ kind: 'directory', names, mode, mtime, links: [], versions: [] })
      await visit(at, names)
    } else if (stat.isSymbolicLink()) {
      const target = nameFromBytes(await readlink(at, 'buffer'))
      nodes.push({ kind: 'symlink', names, mode: 0o777, mtime, target, links: [], versions: [] })
    } else if (stat.isFile()) {
      const inode = `${stat.dev}:${stat.ino}`
      const standing = stat.nlink > 1n ? inodes.get(inode) : undefined
      if (standing !== undefined) {
        standing.links.push(names)
        return
      }
      const links: (readonly Name[])[] = []
      inodes.set(inode, { links })
      const version = { size: Number(stat.size), at: mtime, bytes: () => readExactly(at, Number(stat.size)) }
      nodes.push({ kind: 'file', names, mode, mtime, links, versions: [version] })
    } else troubles.push({ path: shown(names), reason: 'a socket, pipe or device; these are not kept' })
  }
  await visit(Buffer.from(path), [])
  return { name: path, nodes, deleted: [], troubles, close: () => Promise.resolve() }
}

async function* readExactly(path: Buffer, size: number): AsyncGenerator<Uint8Array> {
  let seen = 0
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1 })) {
      seen += (chunk as Uint8Array).length
      yield chunk as Uint8Array
    }
  } else await (await open(path)).close()
  if (seen !== size) throw new Error('it became shorter while it was read')
}

function timeOfNs(ns: bigint): TimeSpec {
  const billion = 1_000_000_000n
  const rest = ((ns % billion) + billion) % billion
  return [Number((ns - rest) / billion), Number(rest)]
}
