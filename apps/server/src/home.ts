import { chmod, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { OperatorError } from './operator-error.js'
import { type DirectoryLock, lockDirectory } from './postgres/directory-lock.js'

/** Where the state of one service lies. */
export interface Home {
  readonly path: string
  readonly postgres: string
  readonly keys: string
  readonly logs: string
}

/** The paths below a home directory. */
export function homeAt(path: string): Home {
  return { path, postgres: join(path, 'postgres'), keys: join(path, 'keys'), logs: join(path, 'logs') }
}

/** Makes the state directory where it is missing, for us alone. */
export async function makeHome(home: Home): Promise<void> {
  try {
    for (const directory of [home.path, home.keys, home.logs]) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await chmod(directory, 0o700)
    }
    if (!(await stat(home.path)).isDirectory()) throw new Error('not a directory')
  } catch (cause) {
    throw new OperatorError(`cannot use ${home.path} as the state directory`, {
      remedy: 'Set AGENTFS_HOME to a directory that you may write to.',
      cause,
    })
  }
}

/** Takes the state directory for this process, or says which process has it. */
export function lockHome(home: Home): DirectoryLock {
  return lockDirectory(home.path)
}
