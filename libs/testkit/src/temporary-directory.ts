import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { testkitConfig } from './config.js'

/** A directory of mode 0700 that its creator removes. */
export interface TemporaryDirectory {
  readonly path: string
  /** Removes the directory and all in it; removing twice is fine. */
  remove(): Promise<void>
}

/** Makes a new empty directory under the system's folder for such things. */
export async function temporaryDirectory(label = 'test'): Promise<TemporaryDirectory> {
  const parent = await realpath(testkitConfig().temporaryDirectory)
  const path = await mkdtemp(join(parent, `agentfs-${label}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}
