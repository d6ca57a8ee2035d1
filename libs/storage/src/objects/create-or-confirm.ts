import { AgentfsError } from '@agentfs/contracts'
import type { ObjectCallOptions, ObjectStore } from './object-store.js'

/**
 * Creates an object that only we may have made before: where `putIfAbsent` finds one, its bytes are compared. Same bytes
 * are an earlier attempt of ours, and count; other bytes are `already_exists`, and are left alone. Retry: safe.
 */
export async function createOrConfirm(
  store: ObjectStore,
  key: string,
  body: Uint8Array,
  options: ObjectCallOptions = {},
): Promise<'created' | 'confirmed'> {
  if ((await store.putIfAbsent(key, body, options)) === 'created') return 'created'
  const standing = await store.get(key, options)
  if (Buffer.compare(standing, body) === 0) return 'confirmed'
  throw new AgentfsError('already_exists', { object: key, detail: `another object stands at ${key}` })
}
