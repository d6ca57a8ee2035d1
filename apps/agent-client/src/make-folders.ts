import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it, one by one from the nearest that exists, and answers which it made, outermost first.
 * Node's own recursive way never ends where making says that nothing is there, as below `/proc`. The error says
 * `cannot make …: <reason>`, and its `cause` is the system's; what was made until then is taken away again.
 */
export function makeFolders(directory: string, mode = 0o777): string[] {
  const missing: string[] = []
  for (let at = directory; isMissing(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at)
  const made: string[] = []
  try {
    for (const path of missing) if (makeOne(path, mode)) made.push(path)
    // A file of that name lets nothing be made in it.
    if (!statSync(directory).isDirectory()) throw new Error('it is a file')
  } catch (error) {
    removeFolders(made)
    throw new Error(`cannot make ${directory}: ${(error as Error).message}`, { cause: error })
  }
  return made
}

/** Takes away folders that were made, where nothing is in them by now. */
export function removeFolders(made: readonly string[]): void {
  for (const path of made.toReversed()) {
    try {
      rmdirSync(path)
    } catch {
      // Somebody uses it.
      return
    }
  }
}

function isMissing(path: string): boolean {
  try {
    statSync(path)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** False where somebody made it meanwhile. */
function makeOne(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
