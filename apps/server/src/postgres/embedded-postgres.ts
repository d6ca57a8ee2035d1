import { mkdir, rename, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { findBinaries } from './binaries.js'
import { clusterExists, createCluster, handOver, resetPassword, type Cluster } from './cluster.js'
import { chooseDatabaseUser } from './choose-database-user.js'
import { lockDirectory } from './directory-lock.js'
import type { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { choosePort } from './free-port.js'
import { clearLeftovers } from './leftovers.js'
import { createPassword, readPassword } from './password.js'
import { readPostmasterFile } from './postmaster-file.js'
import { DATABASE, SUPERUSER } from './settings.js'
import { supervise } from './supervisor.js'

const LOG_BYTES_MAX = 10 * 1024 * 1024

/** Where the embedded Postgres keeps what; every path may be below a directory that only root can enter. */
export interface EmbeddedPostgresOptions {
  /** Holds `data/` (the cluster) and the lock; made where it is missing. */
  readonly directory: string
  /** The superuser's password, mode 0600; made on first start, and anew where it was lost. */
  readonly passwordFile: string
  /** Appended to; moved aside to `<name>.1` at a start that finds it over 10 MiB. */
  readonly logFile: string
  /** A loopback port; without one a free port is taken. */
  readonly port?: number
  /** One short line per step that may take noticeable time. */
  readonly onProgress?: (message: string) => void
  /** Ends a start that is under way; what it had started is stopped. */
  readonly signal?: AbortSignal
  /** Postgres died and restarting it did not help: the service should stop. */
  readonly onFailure?: (error: EmbeddedPostgresError) => void
}

/** A running embedded Postgres. */
export interface EmbeddedPostgres {
  /** `postgres://` URL of the superuser, which stays the same while Postgres is restarted after a crash. */
  readonly url: string
  readonly port: number
  /** The postmaster's process id at this moment; undefined while it is being restarted. */
  readonly pid: number | undefined
  /** Clean shutdown: cuts connections, writes the checkpoint, gives the directory free. May be called twice. */
  stop(): Promise<void>
}

/**
 * Starts the Postgres that npm installed on data of our own: made on first start, recovered after a kill, run as
 * an unprivileged user where we are root. One process at a time per directory.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const onProgress = options.onProgress ?? (() => {})
  const directory = resolve(options.directory)
  const dataDirectory = join(directory, 'data')
  await mkdir(directory, { recursive: true, mode: 0o755 })
  await mkdir(dirname(options.logFile), { recursive: true, mode: 0o700 })
  const user = await chooseDatabaseUser(dataDirectory)
  const lock = lockDirectory(directory)
  try {
    const binaries = await findBinaries(user, onProgress)
    options.signal?.throwIfAborted()
    const cluster: Cluster = { dataDirectory, user, binaries }
    const password = await prepareCluster(cluster, options.passwordFile, onProgress)
    options.signal?.throwIfAborted()
    await moveAside(options.logFile)
    const port = await choosePort(options.port)
    if ((await readPostmasterFile(dataDirectory)) !== undefined)
      onProgress('recovering Postgres after an unclean stop')
    const server = await supervise(cluster, {
      port,
      logFile: options.logFile,
      onFailure: options.onFailure ?? (() => {}),
    })
    const stop = async (): Promise<void> => {
      await server.stop()
      lock.release()
    }
    if (options.signal?.aborted === true) {
      await server.stop()
      options.signal.throwIfAborted()
    }
    return {
      url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${DATABASE}`,
      port,
      get pid() {
        return server.pid
      },
      stop,
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Leaves a cluster at rest that fits our programs, our user and the password on file. */
async function prepareCluster(
  cluster: Cluster,
  passwordFile: string,
  onProgress: (message: string) => void,
): Promise<string> {
  const known = await readPassword(passwordFile)
  if (await clusterExists(cluster)) {
    await clearLeftovers(cluster.dataDirectory, onProgress)
    await handOver(cluster)
    if (known !== undefined) return known
    onProgress('the database password is missing: setting a new one')
    const password = await createPassword(passwordFile)
    await resetPassword(cluster, password)
    return password
  }
  onProgress('creating the database (first start only)')
  const password = known ?? (await createPassword(passwordFile))
  await createCluster(cluster, password)
  return password
}

async function moveAside(logFile: string): Promise<void> {
  const size = await stat(logFile).then(
    (file) => file.size,
    () => 0,
  )
  if (size > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`)
}
