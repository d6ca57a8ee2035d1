import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Cluster } from './cluster.js'
import { dataArgument } from './data-argument.js'
import { identity } from './database-user.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { stopPostmaster } from './leftovers.js'
import { readPostmasterFile } from './postmaster-file.js'
import { PROCESS_ENVIRONMENT, serverSettings } from './settings.js'
import { waitUntil } from './wait-until.js'

const LOG_TAIL_CHARACTERS = 1_500

/** A running postmaster; `exited` settles when it ends, for whatever reason. */
export interface Postmaster {
  readonly pid: number
  readonly exited: Promise<void>
  stop(): Promise<void>
}

/**
 * Starts the server and waits until it takes connections; crash recovery may take its time. It leads a session
 * of its own, so that Ctrl-C in the terminal reaches us only and we stop it in order; its output goes to a file
 * and not to a pipe, so that it can go on logging if we are killed.
 */
export async function startPostmaster(cluster: Cluster, port: number, logFile: string): Promise<Postmaster> {
  const log = openSync(logFile, 'a', 0o600)
  const child = spawn(
    cluster.binaries.postgres,
    [...dataArgument(cluster.dataDirectory, cluster.user), ...serverSettings(port)],
    {
      cwd: cluster.dataDirectory,
      env: PROCESS_ENVIRONMENT,
      detached: true,
      stdio: ['ignore', log, log],
      ...identity(cluster.user),
    },
  )
  closeSync(log)
  const exited = endOf(child)
  const ended = { done: false }
  void exited.then(() => (ended.done = true))
  const ready = async (): Promise<boolean> => {
    const file = await readPostmasterFile(cluster.dataDirectory)
    return ended.done || (file !== undefined && file.pid === child.pid && file.ready)
  }
  await waitUntil(ready, { timeoutMs: Number.POSITIVE_INFINITY })
  if (ended.done || child.pid === undefined) {
    throw new EmbeddedPostgresError(
      'start_failed',
      `Postgres did not start. Its log, ${logFile}, ends:\n${tail(logFile)}`,
    )
  }
  const pid = child.pid
  return { pid, exited, stop: () => (ended.done ? exited : stopPostmaster(pid).then(() => exited)) }
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}

function tail(logFile: string): string {
  return readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS).trim()
}
