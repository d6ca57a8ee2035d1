import { existsSync, realpathSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { acceptanceConfig } from './config.js'
import { run, Running, type Finished } from './process.js'
import { ROOT, type Service } from './service.js'

/** A Node that a machine may have. */
export interface NodeProgram {
  readonly path: string
  readonly version: string
}

/** The pinned Node, and those of other versions that this machine has of its own. */
export async function nodesAtHand(): Promise<NodeProgram[]> {
  const folders = acceptanceConfig().path.split(delimiter)
  const outside = folders.filter((folder) => !folder.startsWith(join(ROOT, 'node_modules')))
  const found = [join(ROOT, 'node_modules', 'node', 'bin'), ...outside]
    .map((folder) => join(folder, 'node'))
    .filter((path) => existsSync(path))
  const nodes: NodeProgram[] = []
  for (const path of new Set(found.map((one) => realpathSync(one)))) {
    const { stdout } = await run(path, ['--version'])
    const version = stdout.trim().slice(1)
    if (nodes.every((node) => node.version !== version)) nodes.push({ path, version })
  }
  return nodes
}

/** A machine that has a Node and a shell, and got the client from the service; no part of the checkout is in its reach. */
export class SecondMachine {
  readonly home: string
  readonly #path: string
  readonly #service: Service

  private constructor(home: string, path: string, service: Service) {
    this.home = home
    this.#path = path
    this.#service = service
  }

  /** Makes the home, with nothing in it. */
  static async make(directory: string, node: NodeProgram, service: Service): Promise<SecondMachine> {
    const [home, programs] = [join(directory, 'home'), join(directory, 'node')]
    await mkdir(home, { recursive: true })
    await mkdir(programs)
    await symlink(node.path, join(programs, 'node'))
    const path = [join(home, '.local', 'bin'), programs, '/usr/bin', '/bin'].join(delimiter)
    return new SecondMachine(home, path, service)
  }

  /** What a person types. */
  shell(command: string, input = ''): Promise<Finished> {
    return run('sh', ['-c', command], { env: this.#environment, cwd: this.home, input, limitMs: 60_000 })
  }

  /** `curl … | sh`. */
  install(...args: readonly string[]): Promise<Finished> {
    return this.shell(`curl -fsSL ${this.#service.url}/install.sh | sh -s -- ${args.join(' ')}`)
  }

  /** The installed client, in the foreground. */
  start(...args: readonly string[]): Running {
    const client = join(this.home, '.local', 'bin', 'agentfs-client')
    return new Running(client, args, { env: this.#environment, cwd: this.home })
  }

  get #environment(): NodeJS.ProcessEnv {
    return { HOME: this.home, PATH: this.#path, LC_ALL: 'C.UTF-8' }
  }
}
