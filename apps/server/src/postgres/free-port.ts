import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'

// Below what Linux and macOS give to outgoing connections: after a crash the same port is wanted again.
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const ATTEMPTS_MAX = 50

/** The port asked for where it is free, else a refusal; without one asked for, a free port. */
export async function choosePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted
    throw new EmbeddedPostgresError(
      'port_taken',
      `Port ${wanted} on 127.0.0.1, meant for the embedded Postgres, is taken. Free it, or leave the port open.`,
    )
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (await isFree(port)) return port
  }
  throw new EmbeddedPostgresError(
    'port_taken',
    `No free port between ${PORT_MIN} and ${PORT_MAX} on 127.0.0.1.`,
  )
}

/** True when a listener can bind the loopback port right now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
