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
  type RebuiltLog,
  rebuiltLogs,
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
  const proven = new Map<string, StreamHead & { readonly at: Date }>()
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
    const { number } = checkpoint
    const at = new Date(checkpoint.at)
    for (const head of checkpoint.streams) proven.set(`${head.stream}/${head.epoch}`, { ...head, at })
    rows.push({ number, at, note, hash: checkpointHash(checkpoint) })
    if (rows.length >= ROWS_AT_ONCE) await flush()
  }
  await flush()
  const logs = await database.readTenant(scope, (tx) => rebuiltLogs(tx, [...proven.values()]))
  for (const log of logs) {
    const size = proven.get(`${log.stream}/${log.epoch}`)?.size ?? 0
    if (log.size >= size) continue
    const detail = gapOf(log, size)
    const agent = log.agentId === null ? {} : { agent: log.agentId }
    if (log.ended) losses.note(`tenant ${tenantId}: an earlier recovery has told of this: ${detail}`)
    else losses.add({ kind: 'gap', tenant: tenantId, ...agent, detail })
  }
}

/** Whose log lacks how many records, and what that means for files. */
function gapOf({ stream, epoch, kind, agentName, size: stored }: RebuiltLog, proven: number): string {
  const logs = {
    agent: ['the commits', 'its files are as the last stored commit left them'],
    reads: ['the reads', 'no file is affected'],
    tenant: ["the tenant's own log", 'users, keys and agents are as its last stored record left them'],
  } as const
  const [what, effect] = kind === null ? ['a log that no row knows', 'what it was is unknown'] : logs[kind]
  const whose = agentName === null ? what : `${what} of agent ${agentName}`
  return (
    `${whose} (stream ${stream}, epoch ${epoch}): a checkpoint proves ${proven} records, and ${stored} are stored; ` +
    `what lies between was acknowledged and never stored; ${effect}`
  )
}

function opened(note: string, verifiers: Parameters<typeof verifyCheckpoint>[1]): Checkpoint | undefined {
  try {
    return verifyCheckpoint(note, verifiers)
  } catch (error) {
    if (!isAgentfsError(error, 'object_corrupt')) throw error
    return undefined
  }
}
