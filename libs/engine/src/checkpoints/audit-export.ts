import type { ExportLine } from '@agentfs/audit'
import type { TenantScope } from '@agentfs/access'
import { checkpointsAfter, type Database, findAuditKeyId, listLogs } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { RecordReader } from '../streams/record-reader.js'
import { signerOf, verifierKeyOf } from './audit-key.js'

const RECORDS_PAGE = 500
const CHECKPOINTS_PAGE = 100

/** What an export reads from. */
export interface ExportTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly records: RecordReader
}

/**
 * The whole log of a tenant, or of one agent, line by line: the key that signs, the checkpoints, then every record of every
 * stream in its order. The checkpoints come first, so that all they prove stands behind them, however much is written
 * meanwhile. A checkpoint covers the whole tenant, so an agent's export has none: its streams alone cannot be proven by
 * checkpoints over others, but receipts and checkpoints that the reader kept prove them.
 */
export async function* exportLog(
  { database, vault, records }: ExportTools,
  scope: TenantScope,
  agentId: string | null,
): AsyncGenerator<ExportLine> {
  if (agentId === null) yield* checkpointLines(database, vault, scope)
  const logs = await database.readTenant(scope, (tx) => listLogs(tx, agentId))
  for (const { streamId, epoch } of logs) {
    for (let since = 0; ;) {
      const page = await records.after(scope, streamId, epoch, since, RECORDS_PAGE)
      for (const record of page) yield { type: 'record', record }
      const last = page.at(-1)
      if (last === undefined) break
      since = last.seq
    }
  }
}

async function* checkpointLines(
  database: Database,
  vault: KeyVault,
  scope: TenantScope,
): AsyncGenerator<ExportLine> {
  const key = await database.withTenant(scope, async (tx) => {
    const keyId = await findAuditKeyId(tx)
    return keyId === null ? undefined : (await vault.load(tx, [keyId])).get(keyId)
  })
  if (key === undefined) return
  yield { type: 'key', key: verifierKeyOf(signerOf(scope.tenantId, key)) }
  for (let above = 0; ;) {
    const page = await database.readTenant(scope, (tx) => checkpointsAfter(tx, above, CHECKPOINTS_PAGE))
    for (const { note } of page) yield { type: 'checkpoint', note }
    const last = page.at(-1)
    if (last === undefined) return
    above = last.number
  }
}
