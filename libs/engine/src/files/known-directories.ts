import type { TenantScope } from '@agentfs/access'
import { joinPath, parsePath } from '@agentfs/contracts'
import type { NodeRow } from '@agentfs/storage'
import { pathOf, type TreeReader } from '@agentfs/tree'
import { RecentMap } from '../reads/recent-map.js'
import { rowWeight } from '../reads/row-weight.js'
import type { ResolvedPath } from './resolved-path.js'

/** Rows of directories: those of a path count one by one, those with extended attributes for several. */
const ROWS_MAX = 10_000
const FILES_MAX = 20_000

/** Thrown under the lock where a new file does not go where it was guessed to: its path has to be resolved. */
export class GuessedWrong extends Error {}

/**
 * Where the directories were that files were written into, and which files stood there. It spares the creation of a file the
 * look-up of its path: that goes by what is known here, and is checked under the lock.
 */
export class KnownDirectories {
  readonly #directories = new RecentMap<readonly NodeRow[]>(ROWS_MAX, (rows) =>
    rows.reduce((sum, row) => sum + rowWeight(row), 0),
  )
  readonly #files = new RecentMap<true>(FILES_MAX)

  /** What the path of a new file resolves to, if its directory is where it was; undefined where that or the file is unknown. */
  guess(scope: TenantScope, agentId: string, path: string): ResolvedPath | undefined {
    const names = parsePath(path)
    const found = this.#directories.get(nameOf(scope, agentId, names.slice(0, -1)))
    if (found === undefined || this.#files.get(nameOf(scope, agentId, names)) !== undefined) return undefined
    return { names, found, node: undefined }
  }

  /** Notes what a path was resolved to. */
  note(scope: TenantScope, agentId: string, { names, found, node }: ResolvedPath): void {
    if (names.length === 0) return
    const above = nameOf(scope, agentId, names.slice(0, -1))
    const directories = found.slice(0, names.length)
    const isThere =
      directories.length === names.length && directories.every(({ kind }) => kind === 'directory')
    if (isThere) this.#directories.set(above, directories)
    else this.#directories.delete(above)
    if (node !== undefined) this.noteFile(scope, agentId, names)
  }

  /** Notes that something stands at a path. */
  noteFile(scope: TenantScope, agentId: string, names: readonly string[]): void {
    this.#files.set(nameOf(scope, agentId, names), true)
  }
}

/** Throws `GuessedWrong` unless the directory of a new file is at the path that it was known by, and its name is free there. */
export function requireGuess(tree: TreeReader, rootId: string, { names, found }: ResolvedPath): void {
  const directory = tree.resolve(found.at(-1)?.nodeId ?? '')
  const name = names.at(-1) ?? ''
  const path = pathOf(tree, directory, rootId)
  const isThere = path !== undefined && joinPath(path) === joinPath(names.slice(0, -1))
  if (!isThere || tree.entry(directory, name) !== undefined) throw new GuessedWrong()
}

function nameOf({ tenantId }: TenantScope, agentId: string, names: readonly string[]): string {
  return `${tenantId}/${agentId}/${joinPath(names)}`
}
