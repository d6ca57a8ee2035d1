import { createServer } from 'node:net'
import type { ServerConfig } from '../config.js'
import { OperatorError } from '../operator-error.js'

/** Finds out before anything slow is begun that the address is taken, or not ours. */
export async function requireFreePort({ host, port }: Pick<ServerConfig, 'host' | 'port'>): Promise<void> {
  if (port === 0) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = createServer()
  server.once('error', (cause) =>
    reject(
      new OperatorError(`cannot listen on ${host}, port ${port}`, {
        remedy: 'Set PORT (and HOST) to an address that is free, or stop what listens there.',
        cause,
      }),
    ),
  )
  server.listen({ host, port }, () => server.close(() => resolve()))
  await promise
}
