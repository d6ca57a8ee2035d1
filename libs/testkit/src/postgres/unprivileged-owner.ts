import { type ProcessOwner, runProgram } from './run-program.js'

const CANDIDATES = ['postgres', 'nobody'] as const

/** Postgres refuses to run as root: then it runs as `postgres`, or where there is no such user as `nobody`. */
export async function unprivilegedOwner(): Promise<ProcessOwner> {
  if (process.getuid?.() !== 0) return {}
  for (const name of CANDIDATES) {
    try {
      const uid = Number.parseInt(await runProgram('id', ['-u', name]), 10)
      const gid = Number.parseInt(await runProgram('id', ['-g', name]), 10)
      return { uid, gid }
    } catch {
      // no such user here: the next candidate
    }
  }
  throw new Error(`Postgres does not run as root, and none of the users ${CANDIDATES.join(', ')} exists`)
}
