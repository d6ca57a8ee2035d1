import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { makeFolders } from './make-folders.js'

const savedConfig = z.object({
  url: z.string().optional(),
  token: z.string().optional(),
  agent: z.string().optional(),
  /** Set where `login` made the key, so that `logout` may revoke it. */
  keyId: z.string().optional(),
})
/** What `signup` and `login` keep for later commands. */
export type SavedConfig = z.infer<typeof savedConfig>

/** The saved configuration; empty where there is none. */
export function loadConfig(directory: string): SavedConfig {
  const path = join(directory, 'config.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    return savedConfig.parse(JSON.parse(text))
  } catch (error) {
    throw new Error(`${path} is damaged; remove it and log in again`, { cause: error })
  }
}

/** Replaces the saved configuration, readable by its owner only. */
export function saveConfig(directory: string, config: SavedConfig): string {
  const path = join(directory, 'config.json')
  makeFolders(directory, 0o700)
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
  return path
}

/** Forgets the saved configuration. */
export function removeConfig(directory: string): void {
  rmSync(join(directory, 'config.json'), { force: true })
}
