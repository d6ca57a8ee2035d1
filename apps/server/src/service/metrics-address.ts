import { createServer } from 'node:net'
import type { Logger } from 'pino'
import { METRICS_PORT_DEFAULT, type ServerConfig } from '../config.js'

const HOST = '127.0.0.1'

/** Where the metrics listen: never beyond loopback. A second service on the machine goes without, unless told where. */
export async function metricsAddress(
  { metricsPort }: Pick<ServerConfig, 'metricsPort'>,
  log: Logger,
): Promise<{ host: string; port: number } | null> {
  if (metricsPort === 'off') return null
  if (metricsPort !== undefined) return { host: HOST, port: metricsPort }
  if (await isFree(METRICS_PORT_DEFAULT)) return { host: HOST, port: METRICS_PORT_DEFAULT }
  log.warn(`port ${METRICS_PORT_DEFAULT} is taken: this service shows no metrics; METRICS_PORT moves them`)
  return null
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen(port, HOST, () => server.close(() => resolve(true)))
  return promise
}
