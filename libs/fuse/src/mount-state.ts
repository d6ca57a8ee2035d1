import { spawn } from 'node:child_process'
import { readFile, readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { listMounts, type MountEntry } from './mountinfo.js'

/**
 * `none`: not a mountpoint. `live`: its daemon answers. `dead`: the daemon is gone (`ENOTCONN`).
 * `hung`: mounted, and no answer within the time given.
 */
export type MountState =
  | { kind: 'none' }
  | { kind: 'live'; mount: MountEntry }
  | { kind: 'dead'; mount: MountEntry }
  | { kind: 'hung'; mount: MountEntry }

/** What is mounted exactly on `dir`, and whether it is alive. Never waits longer than `timeoutMs`. */
export async function mountState(dir: string, timeoutMs = 2000): Promise<MountState> {
  const mountPoint = await resolveMountPoint(dir)
  const mount = await topMount(mountPoint)
  if (mount === undefined) return { kind: 'none' }
  return { kind: await probe(mountPoint, timeoutMs), mount }
}

/** The mount that is on top at a resolved mountpoint. */
export async function topMount(mountPoint: string): Promise<MountEntry | undefined> {
  return (await listMounts()).findLast((entry) => entry.mountPoint === mountPoint)
}

/**
 * Whether a process has died. A daemon killed while its notifier waited in the kernel stays behind as a
 * zombie with that one thread, which keeps its descriptors open: the mount then is hung, not dead, until
 * the connection is aborted. `kill(pid, 0)` says that such a process exists.
 */
export async function processIsGone(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The state is the field after the command, which is in parentheses and may hold anything.
    const state = stat.charAt(stat.lastIndexOf(')') + 2)
    return state === 'Z' || state === 'X'
  } catch {
    return true
  }
}

/**
 * The path as mountinfo has it, without asking the filesystem mounted at `dir`: a dead one answers nothing
 * but errors, a hung one nothing. (Reading the link of a folder fails in the kernel, before it is asked.)
 */
export async function resolveMountPoint(dir: string): Promise<string> {
  const absolute = resolve(dir)
  if (absolute === '/') return absolute
  const target = await readlink(absolute).catch(() => undefined)
  if (target !== undefined) return realpath(absolute).catch(() => resolve(dirname(absolute), target))
  const parent = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  return join(parent, basename(absolute))
}

const PROBE = `require('node:fs').stat(process.argv[1],e=>process.exit(e?.code==='ENOTCONN'?3:0))`

/**
 * Asks from a child process, which can be killed while it waits for a filesystem: a thread of this process
 * that waits would take a place in the pool for ever.
 */
function probe(mountPoint: string, timeoutMs: number): Promise<'live' | 'dead' | 'hung'> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, ['-e', PROBE, mountPoint], {
      cwd: '/',
      stdio: 'ignore',
      env: {},
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    child.on('error', reject)
    child.on('exit', (status) => done(status === null ? 'hung' : status === 3 ? 'dead' : 'live'))
  })
}
