import { fileURLToPath } from 'node:url'
import { KeyFileKms } from '@agentfs/crypto'
import { databaseForRecovery, recover, type RecoveryReport } from '@agentfs/engine'
import { openObjectStore } from '@agentfs/storage'
import { readConfig, type ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { explain, OperatorError } from '../operator-error.js'
import { recoverServiceSecrets } from '../secrets/recover-service-secrets.js'
import { openDatabase } from '../service/open-database.js'
import { sharedResources } from '../service/open-storage.js'
import { Shutdown } from '../service/shutdown.js'
import { onSignals } from './signals.js'

const PROGRESS_MS = 1_000

/**
 * Rebuilds the service from its object store and the KMS; gives the exit code: 1 where something could not be had again,
 * which the report names, 130 or 143 where a signal ended it.
 */
export async function recoverCommand(
  say: (line: string) => void,
  json: boolean,
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
  const { signal } = stopping
  try {
    if (config.databaseUrl === undefined) {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    const kms = await openKms(config.kms)
    const objectStore = await openObjectStore(config.objectStore)
    shutdown.add('object store', () => objectStore.close())
    const secrets = await recoverServiceSecrets(objectStore, home, kms)
    note(`service secrets: pepper ${secrets.pepper}, ${secrets.tokenKeys} token keys put back`)
    const { database } = await openDatabase({ config, home, shutdown, progress: note, signal })
    const standing = await databaseForRecovery(database)
    if (standing === 'in use') {
      throw new OperatorError('the database is not empty', {
        remedy:
          'recover rebuilds a lost database and never changes one that is there. Set DATABASE_URL to an empty database, or ' +
          "move the state directory's postgres folder away.",
      })
    }
    if (standing === 'unfinished') note('going on where the last recovery ended')
    const startedAt = performance.now()
    const report = await recover({
      database,
      resources: sharedResources(objectStore, kms),
      signal,
      onProgress: progressNotes(note),
    })
    const seconds = (performance.now() - startedAt) / 1_000
    if (json) say(JSON.stringify({ ok: report.lossCount === 0, seconds, ...report }))
    else for (const line of linesOf(report, seconds)) say(line)
    return report.lossCount === 0 ? 0 : 1
  } catch (error) {
    if (stoppedBy === undefined) throw error
    note('stopped; type the command again, and it goes on where it was')
    return stoppedBy === 'SIGINT' ? 130 : 143
  } finally {
    await shutdown.run()
    stopSignals()
  }
}

async function openKms(url: string): Promise<KeyFileKms> {
  return KeyFileKms.open({ path: fileURLToPath(url), create: false }).catch((cause: unknown) => {
    throw new OperatorError(`cannot open the KMS at ${url}`, {
      remedy: 'Put its key file back from its backup: nothing in the object store can be opened without it.',
      cause,
    })
  })
}

/** A line a second: how much, and how fast. */
function progressNotes(
  note: (line: string) => void,
): (progress: { readonly tenants: number; readonly agents: number; readonly records: number }) => void {
  let saidAt = performance.now()
  let saidRecords = 0
  return ({ tenants, agents, records }) => {
    const now = performance.now()
    if (now - saidAt < PROGRESS_MS) return
    const rate = Math.round(((records - saidRecords) * 1_000) / (now - saidAt))
    note(`${records} records (${rate}/s), ${agents} agents, ${tenants} tenants done`)
    saidAt = now
    saidRecords = records
  }
}

function linesOf({ tenants, losses, lossCount }: RecoveryReport, seconds: number): string[] {
  const sum = (pick: (tenant: (typeof tenants)[number]) => number): number =>
    tenants.reduce((total, tenant) => total + pick(tenant), 0)
  const counts = [
    `${tenants.length} tenants, ${sum(({ agents }) => agents)} agents`,
    `${sum(({ records }) => records)} records`,
    `${sum(({ versions }) => versions)} versions`,
    `${sum(({ parts }) => parts)} parts`,
    `${sum(({ orphans }) => orphans)} objects that nothing needs`,
  ]
  return [
    `rebuilt in ${seconds.toFixed(1)} s: ${counts.join(', ')}`,
    ...losses.map(
      ({ kind, tenant, agent, detail }) =>
        `LOST ${kind}: tenant ${tenant}${agent === undefined ? '' : `, agent ${agent}`}: ${detail}`,
    ),
    ...(lossCount > losses.length ? [`LOST … and ${lossCount - losses.length} more`] : []),
    lossCount === 0
      ? 'nothing that was stored is missing'
      : `${lossCount} things are missing; they read as damaged or erased`,
    'everybody is signed out; API keys hold as before. Type: agentfs-server start',
  ]
}
