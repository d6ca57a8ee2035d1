import { spawn } from 'node:child_process'
import { identity, type DatabaseUser } from './database-user.js'
import { PROCESS_ENVIRONMENT } from './settings.js'

/** What a program said and how it ended; a program that cannot be started at all ends with status -1. */
export interface RunResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Where and as whom to run; `input` goes to stdin. */
export interface RunOptions {
  readonly user: DatabaseUser | undefined
  readonly directory: string
  readonly input?: string
}

/** Runs a short program to its end under the database user, with an environment of its own. */
export function runToEnd(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.directory,
      env: PROCESS_ENVIRONMENT,
      stdio: ['pipe', 'pipe', 'pipe'],
      ...identity(options.user),
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    // A program that ends before it has read its input must not end us with EPIPE.
    child.stdin.on('error', () => {})
    child.once('error', (error) => resolve({ status: -1, stdout: '', stderr: error.message }))
    child.once('close', (status) => resolve({ status: status ?? -1, ...output }))
    child.stdin.end(options.input ?? '')
  })
}
