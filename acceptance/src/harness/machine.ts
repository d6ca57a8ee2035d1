import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { acceptanceConfig } from './config.js'
import { run, Running, type Finished } from './process.js'
import { ROOT, type Service } from './service.js'

/** One machine of an agent: a home directory with the client's configuration and stores, apart from every other. */
export class Machine {
  readonly home: string
  readonly #url: string
  readonly #token: string
  readonly #agent: string
  readonly #mounts: Mount[] = []

  constructor(options: { home: string; service: Service; token: string; agent: string; url?: string }) {
    this.home = options.home
    this.#url = options.url ?? options.service.url
    this.#token = options.token
    this.#agent = options.agent
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      PATH: acceptanceConfig().path,
      NODE_NO_WARNINGS: '1',
      HOME: this.home,
      AGENTFS_URL: this.#url,
      AGENTFS_TOKEN: this.#token,
      AGENTFS_AGENT: this.#agent,
    }
  }

  /** Runs the client to its end. */
  cli(args: readonly string[], options: { input?: string; limitMs?: number } = {}): Promise<Finished> {
    return run(process.execPath, [CLIENT, ...args], { env: this.#environment, ...options })
  }

  /** Mounts the agent's home and waits until it answers. */
  async mount(name = 'memory', args: readonly string[] = []): Promise<Mount> {
    const directory = join(this.home, name)
    await mkdir(this.home, { recursive: true })
    const mount = new Mount(directory, [CLIENT, 'mount', directory, ...args], this.#environment)
    this.#mounts.push(mount)
    await mount.ready()
    return mount
  }

  /** Unmounts whatever is still mounted. */
  async close(): Promise<void> {
    for (const mount of this.#mounts) if (mount.running.alive) await mount.unmount()
  }
}

const CLIENT = join(ROOT, 'apps/agent-client/bin/agentfs-client.mjs')

/** A mount in the foreground. Files under it are touched from child processes only, never by the thread that waits for it. */
export class Mount {
  readonly directory: string
  readonly running: Running

  constructor(directory: string, argv: readonly string[], environment: NodeJS.ProcessEnv) {
    this.directory = directory
    this.running = new Running(process.execPath, argv, { env: environment })
  }

  /** Waits for the line that says that it is mounted. */
  async ready(): Promise<void> {
    const deadline = Date.now() + 30_000
    while (!/mounted/.test(this.running.stdout + this.running.stderr)) {
      if (!this.running.alive || Date.now() > deadline) {
        throw new Error(`not mounted:\n${this.running.stdout}\n${this.running.stderr}`)
      }
      await setTimeout(20)
    }
  }

  /** The path of a file on the mount. */
  path(name: string): string {
    return join(this.directory, name)
  }

  /** Runs a shell command in the mount's directory, as an agent would. */
  shell(command: string, options: { limitMs?: number; input?: string } = {}): Promise<Finished> {
    return run('bash', ['-c', command], {
      cwd: this.directory,
      env: { PATH: acceptanceConfig().path, HOME: acceptanceConfig().home, LC_ALL: 'C.UTF-8' },
      ...options,
    })
  }

  /** Unmounts as Ctrl-C would: what is written is pushed first. */
  unmount(): Promise<Finished> {
    return this.running.end('SIGTERM')
  }

  /** kill -9 of the daemon. */
  kill(): Promise<Finished> {
    return this.running.end('SIGKILL')
  }
}
