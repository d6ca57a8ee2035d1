import { spawn } from 'node:child_process'
import { ROOT } from './paths.mjs'

/** Stdout belongs to results: the service's lines, the counts of a test run. */
export const TO_STDERR = ['ignore', 2, 2]

const running = new Set()

/**
 * Runs a program to its end with our streams, and gives its exit code; a signal counts as 128 and more, as in a
 * shell, a program that is missing as 127, one that outlives `timeoutMs` is ended and counts as 124.
 */
export function run(program, args, { env = process.env, timeoutMs, stdio = 'inherit' } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio })
    running.add(child)
    let timedOut = false
    const timer = timeoutMs && setTimeout(() => (timedOut = child.kill('SIGTERM')), timeoutMs)
    const finish = (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(timedOut ? 124 : code)
    }
    child.once('error', (error) => {
      process.stderr.write(`${program}: ${error.message}\n`)
      finish(127)
    })
    child.once('exit', (code, signal) => finish(code ?? (signal === 'SIGINT' ? 130 : 143)))
  })
}

/** Runs a program to its end and gives what it wrote to stdout, or undefined where it failed. */
export function capture(program, args, { env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.once('error', () => resolve(undefined))
    child.once('close', (code) => resolve(code === 0 ? stdout : undefined))
  })
}

/** Hands a signal to what runs now; a terminal's Ctrl-C reaches it by itself. */
export function stopRunning(signal) {
  for (const child of running) child.kill(signal)
}
