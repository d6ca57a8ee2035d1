import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { disownPostmasterFile, readPostmasterFile } from './postmaster-file.js'
import { isAlive, postgresProcesses, signalProcess } from './process-table.js'
import { waitUntil } from './wait-until.js'

const FAST_SHUTDOWN_MS = 30_000
const IMMEDIATE_SHUTDOWN_MS = 10_000
const ORPHANED_BACKENDS_MS = 5_000

/**
 * Clears what an earlier run left when it was killed: a postmaster that runs on, backends without one, a
 * `postmaster.pid` whose number another program has now. Call it under the directory's lock only: that is what
 * makes a running postmaster an orphan. It is stopped and not taken over, because its settings, port and
 * version are those of the earlier run.
 */
export async function clearLeftovers(
  dataDirectory: string,
  onProgress: (message: string) => void,
): Promise<void> {
  const file = await readPostmasterFile(dataDirectory)
  const processes = await postgresProcesses(dataDirectory)
  if (processes.length > 0) {
    onProgress('stopping the Postgres that an earlier run left behind')
    if (file !== undefined && processes.includes(file.pid)) await stopPostmaster(file.pid)
    await endOrphanedBackends(dataDirectory)
  }
  // From here on no Postgres works in this directory, so a number that is left cannot be a postmaster's.
  if ((await readPostmasterFile(dataDirectory)) !== undefined) await disownPostmasterFile(dataDirectory)
}

/** Stops a postmaster by its id: fast (clients cut, clean checkpoint), and if it hangs, immediate (recovers later). */
export async function stopPostmaster(pid: number): Promise<void> {
  signalProcess(pid, 'SIGINT')
  if (await waitUntil(() => !isAlive(pid), { timeoutMs: FAST_SHUTDOWN_MS })) return
  signalProcess(pid, 'SIGQUIT')
  await waitUntil(() => !isAlive(pid), { timeoutMs: IMMEDIATE_SHUTDOWN_MS })
}

/**
 * Backends notice by themselves that their postmaster died, unless they are deep in work. No second postmaster
 * may start beside them, so those that stay are killed: their transactions are lost in any case.
 */
async function endOrphanedBackends(dataDirectory: string): Promise<void> {
  const gone = async (): Promise<boolean> => (await postgresProcesses(dataDirectory)).length === 0
  if (await waitUntil(gone, { timeoutMs: ORPHANED_BACKENDS_MS, intervalMs: 25 })) return
  for (const pid of await postgresProcesses(dataDirectory)) signalProcess(pid, 'SIGKILL')
  if (await waitUntil(gone, { timeoutMs: ORPHANED_BACKENDS_MS, intervalMs: 25 })) return
  const pids = (await postgresProcesses(dataDirectory)).join(', ')
  throw new EmbeddedPostgresError(
    'leftover_processes',
    `Postgres processes of an earlier run (${pids}) still hold ${dataDirectory}. End them, then start again.`,
  )
}
