import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What the line between client and service does. */
type Line = 'open' | 'silent' | 'cut'

interface Pair {
  readonly client: Socket
  readonly service: Socket
  /** Nothing is forwarded on it any more, whatever becomes of the line. */
  frozen: boolean
}

/**
 * A line between a client and the service at a local port, that can be cut (connections are refused), go silent
 * (connections stand, bytes wait), or lose the connections that exist without telling anybody (half-open: what a NAT
 * does that forgot them). It knows nothing of HTTP, so the feed's WebSocket goes through it like everything else.
 */
export class TcpProxy {
  readonly #servicePort: number
  readonly #pairs = new Set<Pair>()
  #line: Line = 'open'
  #server: Server | undefined
  #port = 0

  private constructor(servicePort: number) {
    this.#servicePort = servicePort
  }

  /** A line to a service that listens on this machine. */
  static async start(servicePort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(servicePort)
    await proxy.#listen()
    return proxy
  }

  /** Where clients go instead of the service. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Connections that stand now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** The service is out of reach: connections are reset, new ones refused. */
  async cut(): Promise<void> {
    this.#line = 'cut'
    for (const pair of this.#pairs) this.#end(pair)
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.close()
    await once(server, 'close')
  }

  /** Connections stand and new ones are taken, and not a byte passes either way. */
  silence(): void {
    this.#line = 'silent'
    for (const { client, service } of this.#pairs) {
      client.pause()
      service.pause()
    }
  }

  /** The connections that exist now carry nothing ever again, and neither end is told; new ones work. */
  freezeConnections(): void {
    for (const pair of this.#pairs) {
      pair.frozen = true
      pair.client.pause()
      pair.service.pause()
    }
  }

  /** The line works again: what waited is delivered, connections are taken. */
  async mend(): Promise<void> {
    this.#line = 'open'
    for (const { client, service, frozen } of this.#pairs) {
      if (frozen) continue
      client.resume()
      service.resume()
    }
    if (this.#server === undefined) await this.#listen()
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.cut()
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (client) => this.#join(client))
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
    this.#server = server
  }

  #join(client: Socket): void {
    const service = connect({ port: this.#servicePort, host: '127.0.0.1', allowHalfOpen: true })
    const pair: Pair = { client, service, frozen: false }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [client, service],
      [service, client],
    ] as const) {
      from.on('data', (bytes: Buffer) => {
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => {
        if (this.#line !== 'silent' && !pair.frozen) from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', () => this.#end(pair))
      from.on('close', () => {
        // A frozen connection that one end gives up stays up for the other: that is what half-open means.
        if (!pair.frozen) this.#end(pair)
      })
      from.setNoDelay(true)
    }
    if (this.#line === 'silent') {
      client.pause()
      service.pause()
    }
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.client.resetAndDestroy()
    pair.service.resetAndDestroy()
  }
}
