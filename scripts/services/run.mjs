import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Runs a program to its end. Gives {code, stdout, stderr}; never throws for an exit status.
 * `onLine` sees each line of its stderr as it comes.
 */
export function run(file, args, { env, cwd, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let rest = ''
    child.stdout.on('data', (chunk) => (stdout += chunk))
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-100_000)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()
      for (const line of lines) onLine?.(line)
    })
    child.once('error', (error) =>
      error.code === 'ENOENT' ? resolve({ code: 127, stdout, stderr: String(error) }) : reject(error),
    )
    child.once('close', (code, signal) => resolve({ code: code ?? signal, stdout, stderr }))
  })
}

/** The last lines of what a program said, for a message. */
export function lastLines({ stdout, stderr }, count = 6) {
  return (stderr.trim() || stdout.trim()).split('\n').slice(-count).join('\n')
}

/** The first executable of that name on PATH, or in the places where Debian puts it. */
export function which(name) {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/bin',
    '/bin',
    '/sbin',
  ]
  return folders.map((folder) => join(folder || '.', name)).find(isExecutable)
}

/** True for a file that we may execute. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
