import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { Writable } from 'node:stream'
import { environment } from './config.js'
import type { Replacement } from './replace-process.js'

const SECRET_FD = 3
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const

/** Runs the program as a child that looks like us: same streams, our signals, its exit code. */
export function runChild({ path, args, secret, secretVariable }: Replacement): Promise<number> {
  const [argv0 = path, ...rest] = args
  const child = spawn(path, rest, {
    argv0,
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...environment(), [secretVariable]: String(SECRET_FD) },
  })
  const channel = child.stdio[SECRET_FD]
  if (channel instanceof Writable) {
    channel.on('error', () => {})
    channel.end(secret)
  }
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // The terminal sends these two to the child itself; passed on as well, they would count twice.
      const fromTerminal = process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT')
      if (!fromTerminal) child.kill(signal)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])
    })
  })
}
