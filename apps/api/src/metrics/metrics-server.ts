import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'

/** `/metrics` on a listener of its own, so that it is never in reach of those who reach the API. */
export class MetricsServer {
  readonly #server: Server

  constructor(registries: readonly Registry[]) {
    this.#server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics') {
        response.writeHead(404).end()
        return
      }
      Promise.all(registries.map((registry) => registry.metrics())).then(
        (texts) =>
          response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(texts.join('\n')),
        () => response.writeHead(500).end(),
      )
    })
  }

  /** Listens; gives the address of the page. */
  async listen(host: string, port: number): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen(port, host, resolve)
    await promise
    const address = this.#server.address() as AddressInfo
    return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}/metrics`
  }

  /** Stops listening and lets open connections go. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }
}
