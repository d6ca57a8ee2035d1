import type { Cluster } from './cluster.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { clearLeftovers } from './leftovers.js'
import { startPostmaster, type Postmaster } from './postmaster.js'
import { signalProcess } from './process-table.js'

const RESTARTS_MAX = 5
const RESTART_WINDOW_MS = 60_000

/** What a supervised server listens on and reports to. */
export interface SupervisorOptions {
  readonly port: number
  readonly logFile: string
  readonly onFailure: (error: EmbeddedPostgresError) => void
}

/** A server that is started again on its port when it dies. */
export interface SupervisedServer {
  readonly pid: number | undefined
  stop(): Promise<void>
}

type State =
  | { kind: 'running'; server: Postmaster }
  | { kind: 'restarting'; attempt: Promise<void> }
  | { kind: 'failed' }
  | { kind: 'stopped' }

/**
 * Starts the server and keeps it running: a postmaster killed under us comes back within a second, on the same
 * port, so that pools only have to reconnect. One that dies over and over is reported and left dead.
 */
export async function supervise(cluster: Cluster, options: SupervisorOptions): Promise<SupervisedServer> {
  const deaths: number[] = []
  let stopping: Promise<void> | undefined
  let state: State = {
    kind: 'running',
    server: await startPostmaster(cluster, options.port, options.logFile),
  }

  const watch = (server: Postmaster): void => {
    void server.exited.then(() => {
      if (stopping !== undefined) return
      state = { kind: 'restarting', attempt: restart() }
    })
  }
  const restart = async (): Promise<void> => {
    try {
      refuseTooMany(deaths, options.logFile)
      await clearLeftovers(cluster.dataDirectory, () => {})
      const server = await startPostmaster(cluster, options.port, options.logFile)
      state = { kind: 'running', server }
      watch(server)
    } catch (error) {
      state = { kind: 'failed' }
      options.onFailure(asFailure(error))
    }
  }
  // A process that ends without stop() must not leave a server behind; signals are all that can be sent here.
  const onExit = (): void => {
    if (state.kind === 'running') signalProcess(state.server.pid, 'SIGINT')
  }
  process.once('exit', onExit)
  watch(state.server)

  const stop = async (): Promise<void> => {
    if (state.kind === 'restarting') await state.attempt
    if (state.kind === 'running') await state.server.stop()
    state = { kind: 'stopped' }
    process.removeListener('exit', onExit)
  }
  return {
    get pid() {
      return state.kind === 'running' ? state.server.pid : undefined
    },
    stop: () => (stopping ??= stop()),
  }
}

function refuseTooMany(deaths: number[], logFile: string): void {
  const now = performance.now()
  deaths.push(now)
  const recent = deaths.filter((at) => now - at < RESTART_WINDOW_MS)
  if (recent.length <= RESTARTS_MAX) return
  throw new EmbeddedPostgresError(
    'keeps_crashing',
    `Postgres died ${recent.length} times within a minute. Read ${logFile}, fix what it names, then start again.`,
  )
}

function asFailure(error: unknown): EmbeddedPostgresError {
  if (error instanceof EmbeddedPostgresError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new EmbeddedPostgresError('start_failed', `Postgres could not be restarted: ${message}`, {
    cause: error,
  })
}
