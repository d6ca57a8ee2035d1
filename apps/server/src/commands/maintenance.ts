import { Sweeper } from '@agentfs/engine'
import { pino } from 'pino'
import { readConfig, type ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import type { ChoreEntry } from '../maintenance/chores.js'
import { progressLine } from '../maintenance/progress-line.js'
import { type ChoreProgress, type ChoreTarget, runChore } from '../maintenance/run-chore.js'
import { explain } from '../operator-error.js'
import { openServiceSecrets } from '../secrets/service-secrets.js'
import { openDatabase } from '../service/open-database.js'
import { openStorage, sharedResources } from '../service/open-storage.js'
import { Shutdown } from '../service/shutdown.js'
import { onSignals } from './signals.js'

/** What is typed after `maintenance <chore>`. */
export interface MaintenanceOptions extends ChoreTarget {
  readonly dryRun: boolean
  readonly json: boolean
}

/**
 * Does one chore to its end, starting the embedded Postgres for it where there is no other; gives the exit code: 130 or 143
 * where a signal ended it, between two steps, which loses nothing.
 */
export async function maintenance(
  entry: ChoreEntry,
  { dryRun, json, ...target }: MaintenanceOptions,
  say: (line: string) => void,
  config: ServerConfig = readConfig(),
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
  const line = progressLine()
  const { signal } = stopping
  try {
    if (config.databaseUrl === undefined) {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    const { database } = await openDatabase({ config, home, shutdown, progress: note, signal })
    const sweeper = new Sweeper({ database })
    const secrets = await openServiceSecrets(home, config.kms, await hasTenants(sweeper))
    const objectStore = await openStorage(config.objectStore, secrets, pino({ enabled: false }), shutdown)
    const chore = entry.make({ database, resources: sharedResources(objectStore, secrets.kms) })
    const done = await runChore({ database, sweeper, chore }, target, { dryRun, signal }, (progress) =>
      line.show(progress.tenantsDone, progress.tenants, words(progress)),
    )
    line.clear()
    if (json) say(JSON.stringify({ chore: entry.name, dryRun, tenants: done.tenants, counts: done.counts }))
    else say(`${entry.name}${dryRun ? ' (dry run, nothing done)' : ''}: ${words(done)}`)
    return 0
  } catch (error) {
    line.clear()
    if (stoppedBy === undefined) throw error
    note('stopped; what is left will be done the next time')
    return stoppedBy === 'SIGINT' ? 130 : 143
  } finally {
    await shutdown.run()
    stopSignals()
  }
}

async function hasTenants(sweeper: Sweeper): Promise<boolean> {
  for await (const _scope of sweeper.tenantsAcrossTenants()) return true
  return false
}

/** `storedBytes: 3` as `stored bytes 3`; what came to nothing is left out. */
function words({ tenants, counts }: ChoreProgress): string {
  const done = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${count}`)
  return `${tenants} ${tenants === 1 ? 'tenant' : 'tenants'}, ${done.length === 0 ? 'nothing to do' : done.join(', ')}`
}
