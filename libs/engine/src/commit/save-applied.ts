import {
  enlivenObjects,
  keysInserted,
  nameParts,
  partsInserted,
  passKeys,
  saveAliases,
  type Statement,
  treeSaved,
  versionsInserted,
  type TenantTransaction,
} from '@agentfs/storage'
import type { AppliedCommit } from './apply-commit.js'
import { PrepareAgain, type Prepared } from './planned-operation.js'

/** The statements that make a commit's tree, versions and parts, and the sealed bytes that wait then. */
export async function saveApplied(
  tx: TenantTransaction,
  agentId: string,
  prepared: Prepared,
  applied: AppliedCommit,
  author: string,
  commit: { readonly epoch: number; readonly seq: number; readonly at: Date },
): Promise<{ readonly statements: Statement[]; readonly stagedBytes: number }> {
  const { tenantId } = tx
  const statements: Statement[] = []
  const { tree, delta, versions } = applied
  const usedKeyIds = new Set(versions.map(({ key }) => key.keyId))
  const newKeys = prepared.newKeys.filter(({ keyId }) => usedKeyIds.has(keyId))
  const keyOwners = newKeys.map(({ row }) => ({ ...row, nodeId: tree.resolve(row.nodeId ?? '') }))
  if (keyOwners.length > 0) statements.push(keysInserted(tenantId, keyOwners, commit.at))
  const contentKeys = new Map(keyOwners.map(({ nodeId, keyId }) => [nodeId, keyId]))
  statements.push(...treeSaved(tenantId, agentId, delta, contentKeys, commit))
  const parts = versions.flatMap(({ nodeId, parts: own }) => own.map((part) => ({ ...part, nodeId })))
  if (parts.length > 0) statements.push(partsInserted(tenantId, agentId, parts, commit))
  if (versions.length > 0) {
    const rows = versions.map(({ sealed, key, ...version }) => ({
      ...version,
      author,
      partIds: sealed.partIds,
      keyId: key.keyId,
      sealed: sealed.manifest,
    }))
    statements.push(versionsInserted(tenantId, agentId, rows, commit))
  }
  await claimUploads(tx, agentId, versions, commit)
  const manifestBytes = versions.reduce((sum, { sealed }) => sum + sealed.manifest.length, 0)
  const partBytes = parts.reduce((sum, { sealed }) => sum + (sealed?.length ?? 0), 0)
  return { statements, stagedBytes: manifestBytes + partBytes }
}

/** Names what went up before, and makes its objects live; what was collected since preparation is asked for again. */
async function claimUploads(
  tx: TenantTransaction,
  agentId: string,
  versions: AppliedCommit['versions'],
  { epoch, seq }: { readonly epoch: number; readonly seq: number },
): Promise<void> {
  const uploaded = [...new Set(versions.flatMap((version) => version.uploaded))]
  const objectIds = [...new Set(versions.flatMap((version) => version.objectIds))]
  // One round trip for both.
  const [there, alive] = await Promise.all([
    uploaded.length === 0 ? 0 : nameParts(tx, agentId, uploaded, { epoch, seq }),
    objectIds.length === 0 ? 0 : enlivenObjects(tx, objectIds, seq, epoch).then(({ size }) => size),
  ])
  if (there < uploaded.length || alive < objectIds.length) {
    throw new PrepareAgain('an uploaded part was collected')
  }
}

/** Sends what aliases ask for, behind the commit's other statements: they refer to its nodes and pass on its keys. */
export function sendAliases(
  tx: TenantTransaction,
  agentId: string,
  { delta }: AppliedCommit,
  seq: number,
): void {
  if (delta.aliases.length === 0) return
  saveAliases(tx, agentId, delta, seq)
  const lost = delta.aliases.map(({ alias }) => alias)
  tx.later(
    passKeys(
      tx,
      agentId,
      lost,
      delta.aliases.map(({ node }) => node),
    ),
  )
}
