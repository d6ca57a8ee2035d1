import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OperatorError } from './operator-error.js'
import { systemErrorCode } from './postgres/system-error-code.js'
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
      await makeDirectory(directory)
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

/** mkdir -p, one by one: Node's own spins for ever where a name can neither be found nor made, as in /proc. */
async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = []
  for (let current = path; !(await exists(current)); current = dirname(current)) missing.push(current)
  for (const directory of missing.toReversed()) {
    await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EEXIST') throw error
    })
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return false
      throw error
    },
  )
}

/** Takes the state directory for this process, or says which process has it. */
export function lockHome(home: Home): DirectoryLock {
  return lockDirectory(home.path)
}
