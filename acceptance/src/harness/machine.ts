import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { acceptanceConfig } from './config.js'
import { run, Running, type Finished } from './process.js'
import { ROOT, type Service } from './service.js'

/** What a machine is made of. */
export interface MachineOptions {
  readonly home: string
  readonly service: Service
  readonly token: string
  readonly agent: string
  /** Where the service is reached, if not directly. */
  readonly url?: string
  readonly environment?: Readonly<Record<string, string>>
  /** A command that runs the command after it, as another user for instance; everything on the machine goes through it. */
  readonly through?: readonly string[]
}

/** What differs from the machine's own for one command. */
export interface CommandOptions {
  readonly input?: string
  readonly limitMs?: number
  readonly token?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** A mount's line in `status --json`. */
export interface MountStatus {
  readonly dir: string
  readonly agent: string
  readonly pid: number
  readonly feed: string
  readonly seq: number
  readonly journaled: number
  readonly acknowledged: number
  readonly stored: number
  readonly rejected: number
  readonly conflicts: number
}

/** One machine of an agent: a home directory with the client's configuration and stores, apart from every other. */
export class Machine {
  readonly home: string
  readonly #options: MachineOptions
  readonly #mounts: Mount[] = []

  constructor(options: MachineOptions) {
    this.home = options.home
    this.#options = options
  }

  #environment(options: CommandOptions = {}): NodeJS.ProcessEnv {
    const { url, service, token, agent, environment } = this.#options
    return {
      PATH: acceptanceConfig().path,
      NODE_NO_WARNINGS: '1',
      HOME: this.home,
      AGENTFS_URL: url ?? service.url,
      AGENTFS_TOKEN: options.token ?? token,
      AGENTFS_AGENT: agent,
      ...environment,
      ...options.environment,
    }
  }

  get #through(): readonly string[] {
    return this.#options.through ?? []
  }

  /** Runs any command, where the mounts are seen. */
  run(...argv: string[]): Promise<Finished> {
    const [command = '', ...args] = [...this.#through, ...argv]
    return run(command, args, { cwd: '/', limitMs: 20_000 })
  }

  /** Runs the client to its end. */
  cli(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    const { input, limitMs } = options
    const [command = '', ...rest] = [...this.#through, process.execPath, CLIENT, ...args]
    return run(command, rest, {
      env: this.#environment(options),
      cwd: '/',
      ...(input === undefined ? {} : { input }),
      ...(limitMs === undefined ? {} : { limitMs }),
    })
  }

  /** Starts the client, and waits for nothing; the caller ends it. */
  start(args: readonly string[]): Running {
    const [command = '', ...rest] = [...this.#through, process.execPath, CLIENT, ...args]
    return new Running(command, rest, { env: this.#environment({}), cwd: '/' })
  }

  /** Mounts the agent's home and waits until it answers. */
  async mount(name = 'memory', args: readonly string[] = [], options: CommandOptions = {}): Promise<Mount> {
    const mount = await this.startMount(name, args, options)
    await mount.ready()
    return mount
  }

  /** Starts to mount, and waits for nothing. */
  async startMount(
    name = 'memory',
    args: readonly string[] = [],
    options: CommandOptions = {},
  ): Promise<Mount> {
    const directory = join(this.home, name)
    await mkdir(this.home, { recursive: true })
    const argv = [process.execPath, CLIENT, 'mount', directory, ...args]
    const mount = new Mount(directory, argv, this.#environment(options), this.#through)
    this.#mounts.push(mount)
    return mount
  }

  /** The mount that was started last. */
  get latest(): Mount {
    const mount = this.#mounts.at(-1)
    if (mount === undefined) throw new Error('nothing was mounted on this machine')
    return mount
  }

  /** How the mounts of this machine are. */
  async status(): Promise<MountStatus[]> {
    const done = await this.cli(['status', '--json'], { limitMs: 10_000 })
    if (done.code !== 0) throw new Error(`status: ${done.code} ${done.stderr}`)
    return (JSON.parse(done.stdout) as { mounts: MountStatus[] }).mounts
  }

  /** How the only mount is. */
  async onlyStatus(): Promise<MountStatus> {
    const [only, ...others] = await this.status()
    if (only === undefined || others.length > 0) throw new Error(`${others.length + 1} mounts, not one`)
    return only
  }

  /** Unmounts whatever is still mounted; what does not go by itself is taken down, so that nothing outlives the tests. */
  async close(): Promise<void> {
    for (const mount of this.#mounts) {
      if (mount.running.alive) await mount.unmount()
      await run('umount', ['-l', mount.directory], { limitMs: 5_000 })
    }
  }
}

const CLIENT = join(ROOT, 'apps/agent-client/bin/agentfs-client.mjs')

/** A mount in the foreground. Files under it are touched from child processes only, never by the thread that waits for it. */
export class Mount {
  readonly directory: string
  readonly running: Running
  readonly #through: readonly string[]

  constructor(
    directory: string,
    argv: readonly string[],
    environment: NodeJS.ProcessEnv,
    through: readonly string[] = [],
  ) {
    this.directory = directory
    this.#through = through
    const [command = '', ...args] = [...through, ...argv]
    this.running = new Running(command, args, { env: environment, cwd: '/' })
  }

  /** Waits for the line that says that it is mounted. */
  async ready(): Promise<void> {
    const deadline = Date.now() + 30_000
    while (!/mounted/.test(this.running.stdout)) {
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

  /**
   * Runs a shell command in the mount's directory, as an agent would. The shell goes there by itself: spawning into a
   * directory that does not answer would block the thread that spawns.
   */
  shell(command: string, options: { limitMs?: number; input?: string } = {}): Promise<Finished> {
    const script = `cd -- '${this.directory}' || exit 111\n${command}`
    const [program, ...args] = [...this.#through, 'bash', '-c', script]
    return run(program, args, {
      cwd: '/',
      env: { PATH: acceptanceConfig().path, HOME: acceptanceConfig().home, LC_ALL: 'C.UTF-8' },
      ...options,
    })
  }

  /** What a command prints that must succeed. */
  async output(command: string, options: { limitMs?: number; input?: string } = {}): Promise<string> {
    const done = await this.shell(command, options)
    if (done.code === 0) return done.stdout
    throw new Error(`${command}: ${done.code} ${done.signal}\n${done.stdout}\n${done.stderr}`)
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
