import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentfsClient } from '@agentfs/sdk'
import { freePort, waitFor } from '@agentfs/testkit'
import { acceptanceConfig } from './config.js'
import { run, Running, type Finished } from './process.js'

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

const SERVER = join(ROOT, 'apps/server/bin/agentfs-server.mjs')

/** How a service is started. */
export interface ServiceOptions {
  /** Its state directory; kept over restarts. */
  readonly home: string
  readonly port?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** The standalone service as its users start it: a process of its own, with its embedded Postgres. */
export class Service {
  readonly home: string
  readonly port: number
  readonly #environment: Readonly<Record<string, string>>
  #running: Running | undefined

  private constructor(options: ServiceOptions & { port: number }) {
    this.home = options.home
    this.port = options.port
    this.#environment = options.environment ?? {}
  }

  /** Starts a service and waits until it says that it is ready. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = new Service({ ...options, port: options.port ?? (await freePort()) })
    await service.start()
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** The pid of the service's process. */
  get pid(): number {
    const pid = this.#running?.child.pid
    if (pid === undefined) throw new Error('the service does not run')
    return pid
  }

  get output(): string {
    return `${this.#running?.stdout ?? ''}\n${this.#running?.stderr ?? ''}`
  }

  /** What its commands are run with. */
  get #commandEnvironment(): NodeJS.ProcessEnv {
    return {
      PATH: acceptanceConfig().path,
      HOME: acceptanceConfig().home,
      NODE_NO_WARNINGS: '1',
      AGENTFS_HOME: this.home,
      PORT: String(this.port),
      METRICS_PORT: '0',
      ...this.#environment,
    }
  }

  /** Runs another command of the service, on the same home, to its end. */
  command(...args: string[]): Promise<Finished> {
    return run(process.execPath, [SERVER, ...args], { env: this.#commandEnvironment, limitMs: 120_000 })
  }

  /** Starts the process again on the same home and port. */
  async start(): Promise<void> {
    const running = new Running(process.execPath, [SERVER, 'start'], { env: this.#commandEnvironment })
    this.#running = running
    await waitFor(
      () => {
        if (!running.alive) throw new Error(`the service ended:\n${running.stdout}\n${running.stderr}`)
        return /^ready http:\/\//m.test(running.stdout)
      },
      { deadlineMs: 60_000, what: `the service to be ready` },
    )
  }

  /** Ends it as Ctrl-C would. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Finished | undefined> {
    return await this.#running?.end(signal)
  }

  /** A new tenant with a key of its own. */
  async signup(name: string): Promise<{ key: string; client: AgentfsClient; tenantId: string }> {
    const answer = await new AgentfsClient({ url: this.url }).signup({
      email: `${name}@example.com`,
      password: 'correct horse battery staple',
      tenant: name,
    })
    const key = answer.apiKey.secret
    return { key, client: new AgentfsClient({ url: this.url, token: key }), tenantId: answer.tenant.id }
  }
}
