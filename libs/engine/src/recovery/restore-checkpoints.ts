import type { TenantScope } from '@agentfs/access'
import {
  type Checkpoint,
  checkpointHash,
  parseVerifierKey,
  type StreamHead,
  verifyCheckpoint,
} from '@agentfs/audit'
import { isAgentfsError } from '@agentfs/contracts'
import {
  type CheckpointRow,
  type Database,
  findNewestKey,
  logSizes,
  restoreCheckpoints,
  setAuditKey,
} from '@agentfs/storage'
import { signerOf, verifierKeyOf } from '../checkpoints/audit-key.js'
import { tenantPrefix } from '../followers/object-keys.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Bucket } from './bucket.js'
import type { Losses } from './report.js'

const ROWS_AT_ONCE = 500

/**
 * Brings a tenant's checkpoints back, those that its audit key signed, and says which logs they prove to have been longer
 * than what the bucket holds: records that were acknowledged and checkpointed, but never stored.
 */
export async function restoreTenantCheckpoints(
  tools: { readonly database: Database; readonly vault: KeyVault; readonly losses: Losses },
  scope: TenantScope,
  bucket: Bucket,
  now: Date,
): Promise<void> {
  const { database, vault, losses } = tools
  const { tenantId } = scope
  const key = await database.withTenant(scope, async (tx) => {
    const keyId = await findNewestKey(tx, 'audit')
    return keyId === undefined ? undefined : (await vault.load(tx, [keyId])).get(keyId)
  })
  if (key === undefined) return
  await database.withTenant(scope, (tx) => setAuditKey(tx, key.keyId))
  const verifier = parseVerifierKey(verifierKeyOf(signerOf(tenantId, key)))
  const proven = new Map<string, StreamHead>()
  let rows: CheckpointRow[] = []
  const flush = async (): Promise<void> => {
    if (rows.length > 0) await database.withTenant(scope, (tx) => restoreCheckpoints(tx, rows, now))
    rows = []
  }
  for await (const { key: objectKey } of bucket.list(`${tenantPrefix(scope)}/checkpoints/`)) {
    const note = Buffer.from(await bucket.get(objectKey)).toString('utf8')
    const checkpoint = opened(note, [verifier])
    if (checkpoint === undefined || checkpoint.tenant !== tenantId) {
      losses.addUnread(tenantId, null, [
        { object: objectKey, problem: 'not a checkpoint that its key signed' },
      ])
      continue
    }
    for (const head of checkpoint.streams) proven.set(`${head.stream}/${head.epoch}`, head)
    const { number, at } = checkpoint
    rows.push({ number, at: new Date(at), note, hash: checkpointHash(checkpoint) })
    if (rows.length >= ROWS_AT_ONCE) await flush()
  }
  await flush()
  const heads = [...proven.values()]
  const sizes = await database.readTenant(scope, (tx) => logSizes(tx, heads))
  for (const { stream, epoch, size } of heads) {
    const found = sizes.get(`${stream}/${epoch}`) ?? 0
    if (found >= size) continue
    const detail = `stream ${stream}, epoch ${epoch}: a checkpoint proves ${size} records, and ${found} are stored`
    losses.add({ kind: 'gap', tenant: tenantId, detail })
  }
}

function opened(note: string, verifiers: Parameters<typeof verifyCheckpoint>[1]): Checkpoint | undefined {
  try {
    return verifyCheckpoint(note, verifiers)
  } catch (error) {
    if (!isAgentfsError(error, 'object_corrupt')) throw error
    return undefined
  }
}
