import { readConfig, type ServerConfig } from '../config.js'
import type { ChoreEntry } from '../maintenance/chores.js'
import { progressLine } from '../maintenance/progress-line.js'
import { type ChoreProgress, type ChoreTarget, runChore } from '../maintenance/run-chore.js'
import { rotateRoot } from '../secrets/ledger-service-secrets.js'
import { withOfflineService } from './offline.js'

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** What is typed after `maintenance <chore>`. */
export interface MaintenanceOptions extends ChoreTarget {
  readonly dryRun: boolean
  readonly json: boolean
  /** The root key of the KMS instead of the tenants' keys. */
  readonly root?: boolean
}

/**
 * Does one chore to its end, starting the embedded Postgres for it where there is no other; gives the exit code: 130 or 143
 * where a signal ended it, between two steps, which loses nothing.
 */
export async function maintenance(
  entry: ChoreEntry,
  { dryRun, json, root = false, ...target }: MaintenanceOptions,
  say: (line: string) => void,
  config: ServerConfig = readConfig(),
): Promise<number> {
  return withOfflineService(
    config,
    async ({ database, resources, objectStore, kms, sweeper, signal, note }) => {
      const line = progressLine()
      try {
        const make = root ? (entry.makeRoot ?? entry.make) : entry.make
        const log = {
          warn: note,
          error: (message: string, facts: unknown) => note(`${message} ${JSON.stringify(facts)}`),
        }
        const chore = make({ database, resources, log })
        if (root && !dryRun) await rotateRoot(objectStore, kms)
        const done = await runChore({ database, sweeper, chore }, target, { dryRun, signal }, (progress) =>
          line.show(progress.tenantsDone, progress.tenants, words(progress)),
        )
        line.clear()
        if (json)
          say(JSON.stringify({ chore: entry.name, dryRun, tenants: done.tenants, counts: done.counts }))
        else say(`${entry.name}${dryRun ? ' (dry run, nothing done)' : ''}: ${words(done)}`)
        return 0
      } finally {
        line.clear()
      }
    },
  )
}

/** `storedBytes: 3` as `stored bytes 3`; what came to nothing is left out. */
function words({ tenants, counts }: ChoreProgress): string {
  const done = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(
      ([name, count]) =>
        `${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${amount(name, count)}`,
    )
  return `${tenants} ${tenants === 1 ? 'tenant' : 'tenants'}, ${done.length === 0 ? 'nothing to do' : done.join(', ')}`
}

/** Bytes in the unit that a person would say. */
function amount(name: string, count: number): string {
  if (!name.endsWith('Bytes') && name !== 'bytes') return `${count}`
  const power = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), UNITS.length - 1)
  return `${(count / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`
}
