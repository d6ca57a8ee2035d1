import { isAgentfsError } from '@agentfs/contracts'
import {
  BucketAhead,
  databaseForRecovery,
  Generation,
  rollForward,
  type RecoveryReport,
  type TenantResources,
} from '@agentfs/engine'
import type { Database } from '@agentfs/storage'
import type { Logger } from 'pino'
import { OperatorError } from '../operator-error.js'
import { progressNotes, reportLines } from './recovery-notes.js'
import type { ServiceRole } from './roles.js'
import type { Shutdown } from './shutdown.js'

/** How often a running service counts on. */
const COUNT_MS = 60_000
/** How often it asks whether any process has proven the database to be older, or another server has taken its place. */
const STANDING_MS = 5_000
const RETRY_MS = 1_000

/** What a look at the database's age works with. */
export interface RestoredOptions {
  readonly database: Database
  readonly resources: TenantResources
  readonly role: ServiceRole
  readonly log: Logger
  readonly shutdown: Shutdown
  readonly progress: (message: string) => void
  readonly signal: AbortSignal
  readonly onFailure: (error: Error) => void
}

/**
 * Sees whether the database is older than its bucket, restored from a backup, and brings it up to it before anything is
 * served [DUR-6]. Then counts on every minute. Where the bucket does not answer, `known` waits until it does: nothing may be
 * stored before, for it could be the commits of a history that the bucket has left behind.
 */
export async function rollForwardIfRestored(
  given: RestoredOptions,
): Promise<{ readonly known: Promise<void> | null; readonly ahead: BucketAhead }> {
  let failed = false
  const onFailure = (error: Error): void => {
    if (!failed) given.onFailure(error)
    failed = true
  }
  const options = { ...given, onFailure }
  const { database, resources, progress, log } = options
  const generation = new Generation(database, resources)
  const ahead = new BucketAhead({ database, resources, onAhead: () => end(generation, options) })
  const unfinished = (await databaseForRecovery(database)) === 'unfinished'
  const looked = unfinished ? 'behind' : await look(generation, new BucketAhead({ database, resources }))
  if (looked === 'behind') {
    if (options.role === 'api') throw restored()
    progress('the database is older than its object store, as after restoring a backup: rolling it forward')
    const report = await rollForward({
      database,
      resources,
      signal: options.signal,
      onProgress: progressNotes(progress),
    })
    await generation.catchUp()
    tell(report, log, progress)
  }
  const counting = keepCounting({ generation, ahead }, options, looked !== 'away')
  return { known: looked === 'away' ? counting.known : null, ahead }
}

/** Evidence, while the service runs: every process of it ends, this one at once, and the next start rolls forward. */
function end(generation: Generation, { log, onFailure }: RestoredOptions): void {
  generation
    .distrust()
    .catch((error: unknown) => log.warn({ err: error }, 'it could not be noted that the database is older'))
    .finally(() => onFailure(restored()))
}

function tell(report: RecoveryReport, log: Logger, progress: (message: string) => void): void {
  for (const line of reportLines(report)) progress(line)
  for (const loss of report.losses) log.error({ loss }, 'not there after rolling forward')
}

function restored(): OperatorError {
  return new OperatorError('the database is older than its object store, as after restoring a backup', {
    remedy:
      'Stop every process of the service. Then start one worker, which rolls it forward, or type: agentfs-server recover --roll-forward',
  })
}

/** The count tells what is older than a minute; less than that is told by what the bucket has of the newest streams. */
async function look(
  generation: Generation,
  ahead: BucketAhead | null,
): Promise<'counted' | 'behind' | 'away'> {
  try {
    const counted = await generation.countOn()
    if (counted === 'behind' || ahead === null) return counted
    return (await ahead.anywhere()) ? 'behind' : 'counted'
  } catch (error) {
    if (!isAgentfsError(error, 'unavailable')) throw error
    return 'away'
  }
}

/**
 * Counts on until the service stops; a database that is found to be older ends it, so that its next start rolls forward. When
 * another server has taken the database's place, a standby that may lack the last seconds, all is looked at again.
 */
function keepCounting(
  { generation, ahead }: { readonly generation: Generation; readonly ahead: BucketAhead },
  { log, shutdown, onFailure }: RestoredOptions,
  first: boolean,
): { readonly known: Promise<void> } {
  const { promise: known, resolve } = Promise.withResolvers<void>()
  let isKnown = first
  let running = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let server: string | undefined
  let countedAtMs = performance.now()
  const count = async (): Promise<void> => {
    try {
      const standing = await generation.standing()
      const moved = server !== undefined && server !== standing.server
      if (moved) ahead.forget()
      let looked: Awaited<ReturnType<typeof look>> | undefined = standing.behind ? 'behind' : undefined
      if (looked === undefined && (moved || !isKnown || performance.now() - countedAtMs >= COUNT_MS)) {
        looked = await look(generation, moved || !isKnown ? ahead : null)
        countedAtMs = performance.now()
      }
      if (looked !== 'away') ({ server } = standing)
      if (looked === 'behind') {
        stopped = true
        onFailure(restored())
        return
      }
      if (looked === 'counted') {
        isKnown = true
        resolve()
      }
    } catch (error) {
      log.warn({ err: error }, 'the count that tells a restored database could not be moved on')
    }
    next()
  }
  const next = (): void => {
    if (stopped) return
    const delayMs = isKnown ? STANDING_MS : RETRY_MS
    timer = setTimeout(() => {
      running = count()
    }, delayMs)
  }
  next()
  shutdown.add('generation', async () => {
    stopped = true
    clearTimeout(timer)
    await running
  })
  return { known }
}
