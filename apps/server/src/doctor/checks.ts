import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KeyFileKms } from '@agentfs/crypto'
import { openObjectStore, proveObjectStore } from '@agentfs/storage'
import { probeQueue } from '@agentfs/worker'
import type { ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { OperatorError } from '../operator-error.js'
import { EmbeddedPostgresError } from '../postgres/index.js'
import { readSecret } from '../secrets/secret-file.js'
import { openDatabase, type OpenedDatabase } from '../service/open-database.js'
import { Shutdown } from '../service/shutdown.js'

/** One thing to look at; gives what was found, throws what is wrong. */
export interface Check {
  readonly name: string
  readonly run: () => Promise<string>
}

/** Checks that share what they open. */
export interface Checks {
  readonly checks: readonly Check[]
  close(): Promise<void>
}

/** Everything a service with this configuration needs. */
export function checks(config: ServerConfig): Checks {
  const home = homeAt(config.home)
  const shutdown = new Shutdown(() => undefined)
  let running = false
  let opened: OpenedDatabase | undefined
  return {
    checks: [
      { name: 'Node', run: () => Promise.resolve(`version ${process.versions.node}`) },
      {
        name: 'state directory',
        run: async () => {
          await makeHome(home)
          running = isRunning(() => {
            const lock = lockHome(home)
            shutdown.add('lock', () => lock.release())
          })
          return running ? `${home.path}, in use by a running service` : home.path
        },
      },
      {
        name: 'keys',
        run: async () => {
          const pepper = await readSecret(join(home.keys, 'pepper'))
          if (pepper === undefined) return 'none yet; the first start makes them'
          const kms = await KeyFileKms.open({ path: fileURLToPath(config.kms), create: false })
          const { provider, rootKeyVersion } = await kms.describe()
          return `${provider}, root key version ${rootKeyVersion}`
        },
      },
      {
        name: 'database',
        run: async () => {
          if (running && config.databaseUrl === undefined) return askRunning(config)
          opened = await openDatabase({ config, home, shutdown, progress: () => undefined })
          return `schema version ${opened.version}; tenants are kept apart`
        },
      },
      {
        name: 'job queue',
        run: async () => {
          if (config.redisUrl !== undefined) return probeQueue({ kind: 'redis', url: config.redisUrl })
          if (opened === undefined) return 'in the database of the running service'
          return probeQueue({ kind: 'postgres', url: opened.queueUrl })
        },
      },
      {
        name: 'object store',
        run: async () => {
          const store = await openObjectStore(config.objectStore)
          try {
            await proveObjectStore(store)
            const { kind, location } = store.describe()
            return `${kind} at ${location}; a conditional create does not overwrite`
          } finally {
            await store.close()
          }
        },
      },
      ...tlsChecks(config),
    ],
    close: () => shutdown.run(),
  }
}

function tlsChecks({ tls }: ServerConfig): Check[] {
  if (tls === undefined) return []
  const run = async (): Promise<string> => {
    await Promise.all([stat(tls.cert), stat(tls.key)])
    return `${tls.cert}, ${tls.key}`
  }
  return [{ name: 'TLS', run }]
}

function isRunning(lock: () => void): boolean {
  try {
    lock()
    return false
  } catch (error) {
    if (error instanceof EmbeddedPostgresError && error.reason === 'in_use') return true
    throw error
  }
}

/** The embedded Postgres belongs to the running service, which says itself how it is. */
async function askRunning({ host, port, tls }: ServerConfig): Promise<string> {
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${port}/readyz`
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch((cause: unknown) => {
    throw new OperatorError(`a service holds the state directory, but ${url} does not answer`, {
      remedy: 'Stop that process, or set HOST and PORT as it has them.',
      cause,
    })
  })
  if (!answer.ok) {
    throw new OperatorError(`${url} answers ${answer.status}`, {
      remedy: 'Read logs/service.log in the state directory.',
    })
  }
  return `the running service at ${url} is ready`
}
