import { join } from 'node:path'
import type { AgentfsClient, AgentHandle } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './machine.js'
import { Service } from './service.js'
import { TcpProxy } from './tcp-proxy.js'

/** A machine that reaches the service over a line of its own. */
export interface MachineOnLine {
  readonly machine: Machine
  readonly line: TcpProxy
  /** The agent's files, past the line. */
  readonly files: AgentHandle['files']
}

/** A service with one tenant, and machines that live for one test. */
export class Site {
  readonly directory: string
  readonly service: Service
  readonly client: AgentfsClient
  readonly #temporary: TemporaryDirectory
  /** The tenant's API key. */
  readonly key: string
  readonly #closing: (() => Promise<unknown>)[] = []

  private constructor(
    temporary: TemporaryDirectory,
    service: Service,
    tenant: { client: AgentfsClient; key: string },
  ) {
    this.#temporary = temporary
    this.directory = temporary.path
    this.service = service
    this.client = tenant.client
    this.key = tenant.key
  }

  /** Starts a service and signs a tenant up. */
  static async start(tenant: string): Promise<Site> {
    const temporary = await temporaryDirectory('acceptance')
    const service = await Service.start({ home: join(temporary.path, 'service') })
    return new Site(temporary, service, await service.signup(tenant))
  }

  /** A line that is mended and closed after the test. */
  async line(): Promise<TcpProxy> {
    const line = await TcpProxy.start(this.service.port)
    this.#closing.push(() => line.close())
    return line
  }

  /** A machine of an agent, which reaches the service at `url`. */
  machine(agent: string, home: string, url: string): Machine {
    const machine = new Machine({
      home: join(this.directory, home),
      service: this.service,
      token: this.key,
      agent,
      url,
    })
    this.#closing.push(() => machine.close())
    return machine
  }

  /** A machine with a line of its own. */
  async machineOnLine(agent: string, home = agent): Promise<MachineOnLine> {
    const line = await this.line()
    const machine = this.machine(agent, home, line.url)
    // Before the machine is closed, which pushes.
    this.#closing.push(() => line.mend())
    return { machine, line, files: this.client.agent(agent).files }
  }

  /** After each test: ends its machines and lines. */
  async tidy(): Promise<void> {
    for (const close of this.#closing.splice(0).toReversed()) await close()
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await this.tidy()
    await this.service.stop()
    await this.#temporary.remove()
  }
}
