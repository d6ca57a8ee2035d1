import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { testkitConfig } from './config.js'
import { temporaryDirectory } from './temporary-directory.js'

/** One folder by two paths. */
export interface SharedFolder {
  readonly paths: readonly [string, string]
  /** Removes the folder and all in it. */
  remove(): Promise<void>
}

/** Makes an empty folder on the two mounts that the environment names; else a temporary one, both of whose paths are the same. */
export async function sharedFolder(label: string): Promise<SharedFolder> {
  const mounts = testkitConfig().sharedFolders
  if (mounts === undefined) {
    const directory = await temporaryDirectory(label)
    return { paths: [directory.path, directory.path], remove: () => directory.remove() }
  }
  const name = `agentfs-${label}-${randomUUID()}`
  const [first, second] = [join(mounts[0], name), join(mounts[1], name)]
  await mkdir(first, { mode: 0o700 })
  return {
    paths: [first, second],
    remove: () => rm(first, { recursive: true, force: true, maxRetries: 3 }),
  }
}
