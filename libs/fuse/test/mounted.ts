import { spawn, execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServeAnswer, ServeCommand, ServeOptions } from './serve-messages.js'

const SERVE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/test/serve.js' : './serve.js', import.meta.url),
)

/** What a shell command left behind. */
export interface CommandResult {
  stdout: string
  stderr: string
  status: number
}

/** A mount served by a process of its own. */
export class Mounted {
  readonly dir: string
  readonly server: ChildProcess
  readonly #answers = new Map<number, (answer: ServeAnswer) => void>()
  #nextId = 0
  /** The last message of a session that ended. */
  end: string | undefined

  private constructor(dir: string, server: ChildProcess) {
    this.dir = dir
    this.server = server
    server.on('message', (answer: ServeAnswer) => {
      if (answer.end !== undefined) this.end = answer.end
      this.#answers.get(answer.id)?.(answer)
      this.#answers.delete(answer.id)
    })
  }

  /** Mounts on a fresh folder, or on one given; `prefix` runs the server through another command. */
  static async start(options: Partial<ServeOptions> = {}, prefix: string[] = []): Promise<Mounted> {
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'fuse-test-')))
    const full: ServeOptions = {
      allowOther: true,
      readOnly: false,
      entryValidMs: 0,
      attrValidMs: 0,
      keepCache: false,
      without: ['statx'],
      ...options,
      dir,
    }
    const [program, ...args] = [...prefix, process.execPath, SERVE, JSON.stringify(full)]
    const server = spawn(program, args, { cwd: '/', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const started = await Promise.race([once(server, 'message'), once(server, 'exit')])
    if (started[0] !== 'ready') throw new Error(`the server did not start: ${String(started[0])}`)
    return new Mounted(dir, server)
  }

  /** Sends a command to the server's session and waits for its answer. */
  command(command: ServeCommand): Promise<ServeAnswer> {
    const id = this.#nextId
    this.#nextId += 1
    return new Promise((resolve) => {
      this.#answers.set(id, resolve)
      this.server.send({ id, command })
    })
  }

  /** Runs a shell command with the mount as `$M`, from outside of it. */
  sh(script: string, prefix: string[] = []): Promise<CommandResult> {
    const [program, ...args] = [...prefix, 'bash', '--norc', '-c', script]
    return run(program, args, { M: this.dir })
  }

  /** Runs Python with the mount as `sys.argv[1]`. */
  python(script: string, ...args: string[]): Promise<CommandResult> {
    return run('python3', ['-c', script, this.dir, ...args])
  }

  /** Ends the server as a clean unmount does. */
  async stop(): Promise<void> {
    if (this.server.exitCode !== null || this.server.signalCode !== null) return
    const exited = once(this.server, 'exit')
    // A failed test may have left files open.
    this.server.on('message', (message) => {
      if (typeof message === 'object' && 'failed' in message) this.server.send('detach')
    })
    this.server.send('unmount')
    await exited
    await rmdir(this.dir)
  }
}

function run(program: string, args: string[], env: Record<string, string> = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      {
        cwd: '/',
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
        timeout: 20_000,
        killSignal: 'SIGKILL',
        maxBuffer: 1 << 26,
      },
      (error, stdout, stderr) => {
        const code: unknown = error === null ? 0 : (error.code ?? -1)
        resolve({ stdout, stderr, status: typeof code === 'number' ? code : -1 })
      },
    )
  })
}

/** Waits until a condition holds, for at most ten seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 10 s')
  }
}
