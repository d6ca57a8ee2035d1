import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { compareKeys } from './object-key.js'
import type { ObjectListing } from './object-store.js'
import { systemErrorCode } from './system-error-code.js'

interface Walk {
  readonly root: string
  readonly prefix: string
  readonly cursor: string
  readonly signal: AbortSignal | undefined
  /** First segments that are no keys. */
  readonly reserved: ReadonlySet<string>
}

const STAT_BATCH = 32
/** What Linux's NFS client calls a file that was deleted while it is open: its number and a counter, in hexadecimal digits. */
const SILLY_RENAME = /^\.nfs[0-9a-f]{24}$/

/** True for a name that stands for a deleted file until its last reader is done. */
export function isSillyRename(name: string): boolean {
  return SILLY_RENAME.test(name)
}

/** The files below `root` as objects, in key order; memory is bounded by the largest single directory. */
export async function* listFiles(walk: Walk): AsyncGenerator<ObjectListing> {
  yield* listFolder(walk, '')
}

async function* listFolder(walk: Walk, folder: string): AsyncGenerator<ObjectListing> {
  walk.signal?.throwIfAborted()
  const names = await namesOf(walk, folder)
  let files: string[] = []
  for (const name of names) {
    if (!name.endsWith('/')) {
      files.push(folder + name)
      if (files.length < STAT_BATCH) continue
    }
    yield* withSizes(walk.root, files)
    files = []
    if (name.endsWith('/')) yield* listFolder(walk, folder + name)
  }
  yield* withSizes(walk.root, files)
}

/** What of a folder can hold keys we want, folders with a trailing slash: so `a-b` sorts before `a/b`, as keys do. */
async function namesOf(walk: Walk, folder: string): Promise<string[]> {
  const entries = await readdir(join(walk.root, folder), { withFileTypes: true }).catch((error: unknown) => {
    // Folders vanish when their last object is deleted, and a prefix may name none.
    if (isMissing(error)) return []
    throw error
  })
  const names = entries
    .filter((entry) =>
      entry.isFile()
        ? !isSillyRename(entry.name)
        : entry.isDirectory() && !(folder === '' && walk.reserved.has(entry.name)),
    )
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .filter((name) => isWanted(walk, folder + name))
  return names.sort(compareKeys)
}

function isWanted(walk: Walk, path: string): boolean {
  if (path.endsWith('/')) {
    if (!path.startsWith(walk.prefix) && !walk.prefix.startsWith(path)) return false
    return compareKeys(path, walk.cursor) > 0 || walk.cursor.startsWith(path)
  }
  return path.startsWith(walk.prefix) && compareKeys(path, walk.cursor) > 0
}

async function* withSizes(root: string, keys: readonly string[]): AsyncGenerator<ObjectListing> {
  const sizes = await Promise.all(
    keys.map((key) =>
      stat(join(root, key)).then(
        (found) => found.size,
        (error: unknown) => {
          if (isMissing(error)) return undefined
          throw error
        },
      ),
    ),
  )
  for (const [index, key] of keys.entries()) {
    const size = sizes[index]
    if (size !== undefined) yield { key, size }
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ESTALE'].includes(systemErrorCode(error))
}
