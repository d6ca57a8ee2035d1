import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { withRetries } from './retry.js'
import { systemErrorCode } from './system-error-code.js'

/** Each round needs another replacement of the very file that is read, on another machine, to lose again. */
const STALE_ATTEMPTS_MAX = 5

/** A folder that other machines may write to. */
export interface SharedFolderRoot {
  readonly root: string
  /** A folder in it that is always there: where a filesystem is not mounted, its empty mount point has none. */
  readonly landmark: string
}

/**
 * Runs `look`, which opens `path` below the root, as often as it takes to believe what it throws where other machines write too:
 * - ENOENT and ENOTDIR once more after asking anew for the names, for an NFS client answers them from its cache, for up to a
 *   minute after another client made the file (nfs(5), `lookupcache`). Throws what is no such error where the root is gone.
 * - ESTALE, of a file that was removed elsewhere while it was read here, in the same way, for NFSv4 opens it again by what it
 *   knows of it; and several times with pauses, for it may be replaced again and again.
 */
export function lookedUp<T>(
  folder: SharedFolderRoot,
  path: string,
  look: () => Promise<T>,
  signal: AbortSignal = new AbortController().signal,
): Promise<T> {
  return withRetries(
    () => lookedUpAnew(folder, path, look),
    (error) => ({ retry: isStale(error) }),
    STALE_ATTEMPTS_MAX,
    signal,
  )
}

async function lookedUpAnew<T>(folder: SharedFolderRoot, path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (!isAbsent(error) && !isStale(error)) throw error
    await askAnew(folder, dirname(path))
    return look()
  }
}

/** Throws where the folder itself is gone, or not mounted. */
export async function assertThere({ root, landmark }: SharedFolderRoot): Promise<void> {
  try {
    await compareNames(root)
    await compareNames(landmark)
  } catch (error) {
    throw isAbsent(error) ? new Error(`${landmark} is not there`, { cause: error }) : error
  }
}

/** From the nearest folder on that is there. */
async function askAnew(folder: SharedFolderRoot, path: string): Promise<void> {
  if (path === folder.root) return assertThere(folder)
  try {
    await compareNames(path)
  } catch (error) {
    if (!isAbsent(error)) throw error
    await askAnew(folder, dirname(path))
  }
}

/** NFS compares a folder that is opened with the server's (close-to-open), and where it changed forgets what it knew of its names. */
async function compareNames(path: string): Promise<void> {
  await (await open(path, 'r')).close()
}

function isStale(error: unknown): boolean {
  return systemErrorCode(error) === 'ESTALE'
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))
}
