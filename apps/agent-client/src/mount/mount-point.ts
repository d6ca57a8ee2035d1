import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { cleanUpDeadMount, mountState } from '@agentfs/fuse'
import { UsageError } from '../exit-codes.js'

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
    const made = await makeDirectories(directory)
    return async () => {
      for (const path of made.toReversed()) await rmdir(path).catch(() => undefined)
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

/** Makes a directory and those above it, and answers which it made. Node's own way never ends below `/proc`, where making says that nothing is there. */
async function makeDirectories(directory: string): Promise<string[]> {
  const missing: string[] = []
  for (let at = directory; !(await exists(at)); at = dirname(at)) missing.unshift(at)
  for (const path of missing) {
    await mkdir(path).catch((error: unknown) => {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'EEXIST') throw new UsageError(`cannot make the mountpoint ${directory}: ${message}`)
    })
  }
  return missing
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  )
}
