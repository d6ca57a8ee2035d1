import { randomUUID } from 'node:crypto'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import type { ObjectCallOptions, ObjectStore } from './object-store.js'

/**
 * Proves at boot, with five small requests under `proof/`, that the store takes our credentials and that a conditional
 * create does not overwrite: there are S3 servers that answer 200 and do, and they would lose data here. Throws `internal`
 * where it does, and whatever the store throws.
 */
export async function proveObjectStore(store: ObjectStore, options: ObjectCallOptions = {}): Promise<void> {
  await store.probe(options)
  const key = `proof/${randomUUID()}`
  const [first, second] = [Buffer.from('first'), Buffer.from('second')]
  try {
    await store.putIfAbsent(key, first, options).catch((error: unknown) => {
      throw writeRefused(store, key, error)
    })
    const outcome = await store.putIfAbsent(key, second, options)
    const standing = await store.get(key, options)
    if (outcome !== 'exists' || Buffer.compare(standing, first) !== 0) {
      const detail = `the object store at ${store.describe().location} overwrites on a conditional create; use another one`
      throw new AgentfsError('internal', { object: key, detail })
    }
  } finally {
    await store.delete(key, options).catch(() => undefined)
  }
}

/** It answered the probe, so it takes the credentials to read: what it refuses is the write, or what goes with it. */
function writeRefused(store: ObjectStore, key: string, error: unknown): unknown {
  if (!isAgentfsError(error, 'internal')) return error
  const detail =
    `the object store at ${store.describe().location} refuses a conditional create: the credentials must be allowed to ` +
    'write, and a server that knows no CRC32 header needs checksums=required in the URL'
  return new AgentfsError('internal', { object: key, detail }, { cause: error })
}
