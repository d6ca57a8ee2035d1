import { spawn } from 'node:child_process'

/** The user a child runs as; empty where we are not root and stay who we are. */
export interface ProcessOwner {
  readonly uid?: number
  readonly gid?: number
}

/** Runs a program to its end and gives its stdout; a failure carries what it said. */
export function runProgram(file: string, args: readonly string[], owner: ProcessOwner = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...owner, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`${file} ended with ${signal ?? code}: ${stderr.trim() || stdout.trim()}`))
    })
  })
}
