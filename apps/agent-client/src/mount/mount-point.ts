import { readdir, stat } from 'node:fs/promises'
import { cleanUpDeadMount, mountState } from '@agentfs/fuse'
import { UsageError } from '../exit-codes.js'
import { makeFolders, removeFolders } from '../make-folders.js'

/**
 * Makes a mountpoint ready (`abandoned`: a mount of ours there has lost its process): made where it is missing, cleaned
 * where a killed mount left it, refused where it is in use. The function given back takes away what was made, for a mount
 * that fails after all.
 */
export async function prepareMountPoint(directory: string, abandoned: boolean): Promise<() => Promise<void>> {
  // A daemon killed at a bad moment leaves a mount that hangs rather than fails; only where it is surely gone is it cut off.
  await cleanUpDeadMount(directory, { subtype: 'agentfs', force: abandoned })
  const state = await mountState(directory)
  if (state.kind !== 'none') {
    throw new UsageError(
      `${directory} is already mounted (${state.mount.type}); unmount it first: agentfs-client unmount ${directory}`,
    )
  }
  const found = await stat(directory).catch((error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new UsageError(`cannot use ${directory} as a mountpoint: ${message}`)
  })
  if (found === undefined) {
    const made = makeMountPoint(directory)
    return () => {
      removeFolders(made)
      return Promise.resolve()
    }
  }
  if (!found.isDirectory()) throw new UsageError(`${directory} is not a directory`)
  const names = await readdir(directory)
  if (names.length > 0) {
    throw new UsageError(
      `${directory} is not empty (${names.slice(0, 3).join(', ')}…); a mount would hide what is in it. Choose an empty folder`,
    )
  }
  return () => Promise.resolve()
}

function makeMountPoint(directory: string): string[] {
  try {
    return makeFolders(directory)
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}
