import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'

/** A finished command. */
export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A running command, its output collected. */
export class Running {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly exited: Promise<Finished>

  constructor(command: string, args: readonly string[], options: SpawnOptions & { input?: string }) {
    const { input, ...rest } = options
    this.child = spawn(command, args, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] })
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('utf8')))
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('utf8')))
    this.child.stdin?.on('error', () => undefined)
    this.child.stdin?.end(input ?? '')
    this.exited = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** True while the process runs. */
  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Sends a signal and waits for the end; what outlives the limit is killed, and shows as signal SIGKILL. */
  async end(signal: NodeJS.Signals = 'SIGTERM', limitMs = 60_000): Promise<Finished> {
    if (this.alive) this.child.kill(signal)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limitMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Runs a command to its end. A command that outlives the limit is killed, and shows as signal SIGKILL. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string; limitMs?: number } = {},
): Promise<Finished> {
  const { limitMs = 60_000, ...rest } = options
  const running = new Running(command, args, rest)
  const timer = setTimeout(() => running.child.kill('SIGKILL'), limitMs)
  try {
    return await running.exited
  } finally {
    clearTimeout(timer)
  }
}
