import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { findKeys, findStream, type PrefixRow, restorePrefixes } from '@agentfs/storage'
import { openPrefixList } from '../content/prefix-list.js'
import type { FoundPrefixList } from './bucket.js'
import type { RebuildTools } from './rebuild-tools.js'

const ROWS_AT_ONCE = 2_000

/**
 * Makes versions beginnings of others again, as the lists in the bucket say, newest first: a list that another one took over
 * is of a version that is a beginning itself by then, and counts no more.
 */
export async function restorePrefixLists(
  { database, vault, bucket, losses }: RebuildTools,
  scope: TenantScope,
  agentId: string,
  lists: readonly FoundPrefixList[],
): Promise<void> {
  if (lists.length === 0) return
  const { tenantId } = scope
  const keyRows = await database.withTenant(scope, async (tx) => {
    const stream = await findStream(tx, agentId)
    return stream === undefined ? [] : findKeys(tx, [stream.keyId])
  })
  const [key] = (await vault.unwrap(scope, keyRows)).values()
  // Without its stream's key nothing of the agent came back.
  if (key === undefined) return
  const restored = new Set<string>()
  for (const { key: objectKey, objectId, targetId } of lists) {
    // One list of a version holds all that the ones before it held.
    if (restored.has(targetId)) continue
    let rows: PrefixRow[]
    try {
      rows = openPrefixList(tenantId, key, objectId, targetId, await bucket.get(objectKey))
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt') && !isAgentfsError(error, 'not_found')) throw error
      losses.addUnread(tenantId, agentId, [{ object: objectKey, problem: 'it does not open' }])
      continue
    }
    let count = 0
    await database.withTenant(scope, async (tx) => {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
        count += await restorePrefixes(tx, agentId, targetId, rows.slice(from, from + ROWS_AT_ONCE))
      }
    })
    if (count > 0) restored.add(targetId)
  }
}
