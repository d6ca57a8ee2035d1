import type { ServerConfig } from '../config.js'
import { type Home, homeAt, lockHome, makeHome } from '../home.js'
import { explain } from '../operator-error.js'
import { Shutdown } from '../service/shutdown.js'
import { onSignals } from './signals.js'

/** The state directory, held by a command that runs instead of the service. */
export interface OfflineHome {
  readonly home: Home
  /** What is added here is closed when the work is over, the last first. */
  readonly shutdown: Shutdown
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** A remark for people, on stderr. */
  readonly note: (line: string) => void
}

/**
 * Does `work` with the state directory, which it locks where the embedded Postgres lies in it, and closes what the work opened.
 * Gives what `work` gives; 130 or 143 where a signal ended it, and says `stopped` then.
 */
export async function withOfflineHome(
  config: ServerConfig,
  stopped: string,
  work: (offline: OfflineHome) => Promise<number>,
): Promise<number> {
  const home = homeAt(config.home)
  await makeHome(home)
  const note = (line: string): void => void process.stderr.write(`${line}\n`)
  const shutdown = new Shutdown((name, error) => note(`stopping: ${name}: ${explain(error)}`))
  const stopping = new AbortController()
  let stoppedBy: NodeJS.Signals | undefined
  const stopSignals = onSignals((signal) => {
    stoppedBy = signal
    stopping.abort()
  })
  try {
    if (config.databaseUrl === undefined) {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    return await work({ home, shutdown, signal: stopping.signal, note })
  } catch (error) {
    if (stoppedBy === undefined) throw error
    note(stopped)
    return stoppedBy === 'SIGINT' ? 130 : 143
  } finally {
    await shutdown.run()
    stopSignals()
  }
}
