import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { ServiceError } from './errors.mjs'

/** What tells a process from a later one that got the same id: its start time. */
export function processIdentity(pid) {
  try {
    // Field 22 of stat; field 2, the name, may hold spaces and brackets, so count from its end.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    if (process.platform === 'linux') return undefined
  }
  try {
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim() ||
      undefined
    )
  } catch {
    return undefined
  }
}

/** True while the very process {pid, identity} lives. */
export function isSameProcess({ pid, identity } = {}) {
  return Number.isInteger(pid) && identity !== undefined && processIdentity(pid) === identity
}

/** Starts a program that outlives us, its output in `log`; gives {pid, identity}. */
export function startDetached(file, args, { env, log }) {
  const output = openSync(log, 'a', 0o600)
  const child = spawn(file, args, {
    cwd: '/',
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  child.once('error', () => undefined)
  child.unref()
  if (child.pid === undefined)
    throw new ServiceError(`${file} does not start`, 'run `npm run services -- ensure`')
  return { pid: child.pid, identity: processIdentity(child.pid) }
}

/** SIGTERM, and after 5 s SIGKILL, to that very process; a process that is gone is fine. */
export async function stopProcess(handle) {
  for (const [signal, patienceMs] of [
    ['SIGTERM', 5_000],
    ['SIGKILL', 5_000],
  ]) {
    if (!isSameProcess(handle)) return
    process.kill(handle.pid, signal)
    for (const endsAt = Date.now() + patienceMs; Date.now() < endsAt && isSameProcess(handle);)
      await delay(25)
  }
}

/** A loopback port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Asks until `answers` gives true, the process has died, or 30 s are over. */
export async function waitUntilReady(name, handle, log, answers) {
  for (const endsAt = Date.now() + 30_000; Date.now() < endsAt; await delay(50)) {
    if (await answers().catch(() => false)) return
    if (!isSameProcess(handle)) break
  }
  const said = readFileSync(log, 'utf8').trim().split('\n').slice(-8).join('\n  ')
  await stopProcess(handle)
  throw new ServiceError(
    `${name} did not start:\n  ${said}`,
    'see its words above; then run `npm run services` again',
  )
}
