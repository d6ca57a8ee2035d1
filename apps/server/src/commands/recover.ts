import { fileURLToPath } from 'node:url'
import { KeyFileKms } from '@agentfs/crypto'
import { databaseForRecovery, Generation, recover, rollForward } from '@agentfs/engine'
import { openObjectStore } from '@agentfs/storage'
import { readConfig, type ServerConfig } from '../config.js'
import { OperatorError } from '../operator-error.js'
import { recoverServiceSecrets } from '../secrets/recover-service-secrets.js'
import { openDatabase } from '../service/open-database.js'
import { sharedResources } from '../service/open-storage.js'
import { progressNotes, reportLines } from '../service/recovery-notes.js'
import { withOfflineHome } from './offline-home.js'

/**
 * Rebuilds the service from its object store and the KMS, or brings an older database up to them; gives the exit code: 1
 * where something could not be had again, which the report names, 130 or 143 where a signal ended it.
 */
export async function recoverCommand(
  say: (line: string) => void,
  options: { readonly json?: boolean; readonly rollForward?: boolean },
  config: ServerConfig = readConfig(),
): Promise<number> {
  const stopped = 'stopped; type the command again, and it goes on where it was'
  return withOfflineHome(config, stopped, async ({ home, shutdown, signal, note }) => {
    const kms = await openKms(config.kms)
    const objectStore = await openObjectStore(config.objectStore)
    shutdown.add('object store', () => objectStore.close())
    const { database } = await openDatabase({ config, home, shutdown, progress: note, signal })
    const standing = await databaseForRecovery(database)
    const forward = options.rollForward ?? false
    if (standing === 'in use' && !forward) {
      throw new OperatorError('the database is not empty', {
        remedy:
          'For a database that was restored from an older backup add --roll-forward: it takes what the object store has beyond ' +
          'it. recover alone rebuilds a lost one: set DATABASE_URL to an empty database, or move the postgres folder of the ' +
          'state directory away.',
      })
    }
    const secrets = await recoverServiceSecrets(objectStore, home, kms)
    note(`service secrets: pepper ${secrets.pepper}, ${secrets.tokenKeys} token keys put back`)
    if (standing === 'unfinished') note('going on where the last recovery ended')
    const startedAt = performance.now()
    const resources = sharedResources(objectStore, kms)
    const work = { database, resources, signal, onProgress: progressNotes(note) }
    const report = forward ? await rollForward(work) : await recover(work)
    await new Generation(database, resources).catchUp()
    const seconds = (performance.now() - startedAt) / 1_000
    if (options.json) say(JSON.stringify({ ok: report.lossCount === 0, seconds, ...report }))
    else {
      for (const line of reportLines(report)) say(line)
      say(`took ${seconds.toFixed(1)} s`)
      if (standing !== 'in use') say('everybody is signed out; API keys hold as before')
      say('Type: agentfs-server start')
    }
    return report.lossCount === 0 ? 0 : 1
  })
}

async function openKms(url: string): Promise<KeyFileKms> {
  return KeyFileKms.open({ path: fileURLToPath(url), create: false }).catch((cause: unknown) => {
    throw new OperatorError(`cannot open the KMS at ${url}`, {
      remedy: 'Put its key file back from its backup: nothing in the object store can be opened without it.',
      cause,
    })
  })
}
