import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readlink, realpath } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { systemErrorCode } from './system-error-code.js'

const execute = promisify(execFile)

/**
 * The Postgres processes that work in this data directory. A process id alone proves nothing, as ids are used
 * again; Postgres changes into its data directory at start, so program and working directory together do.
 */
export async function postgresProcesses(dataDirectory: string): Promise<readonly number[]> {
  const directory = await realpath(dataDirectory).catch(() => undefined)
  if (directory === undefined) return []
  return process.platform === 'linux' ? scanProc(directory) : scanProcessList(directory)
}

/** True while the process exists and has not ended; one that nobody has waited for (a zombie) has ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return systemErrorCode(error) === 'EPERM'
  }
  return process.platform !== 'linux' || !isZombie(pid)
}

/** Sends a signal; a process that has gone meanwhile is fine. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH') throw error
  }
}

/** In a container whose first process is no init, orphans stay zombies for ever. */
function isZombie(pid: number): boolean {
  try {
    // "<pid> (<name>) <state> …": the name may hold anything, so look behind its last parenthesis.
    return /^.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

async function scanProc(directory: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const ours = await Promise.all(pids.map((pid) => worksIn(pid, directory)))
  return pids.filter((_, index) => ours[index]).map(Number)
}

async function worksIn(pid: string, directory: string): Promise<boolean> {
  // Both links are unreadable for processes of other users, which therefore are not ours either.
  const [cwd, program] = await Promise.all(
    ['cwd', 'exe'].map((link) => readlink(`/proc/${pid}/${link}`).catch(() => '')),
  )
  // The kernel appends " (deleted)" where npm has replaced the program under a running server.
  return cwd === directory && basename((program ?? '').replace(/ \(deleted\)$/, '')) === 'postgres'
}

/** Without /proc: backends rename themselves, but the postmaster keeps its command line with `-D`. */
async function scanProcessList(directory: string): Promise<readonly number[]> {
  const { stdout } = await execute('ps', ['-axww', '-o', 'pid=,command='])
  return stdout
    .split('\n')
    .filter((line) => /\/bin\/postgres\s/.test(line) && line.includes(` -D ${directory} `))
    .map((line) => Number.parseInt(line, 10))
}
