import {
  enlivenObjects,
  keysInserted,
  partsInserted,
  partsNamed,
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
  const uploaded = versions.flatMap((version) => version.uploaded)
  if (uploaded.length > 0) statements.push(partsNamed(tenantId, agentId, uploaded, commit))
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
  const objectIds = [...new Set(versions.flatMap((version) => version.objectIds))]
  if (objectIds.length > 0) {
    const alive = await enlivenObjects(tx, objectIds, commit.seq, commit.epoch)
    if (alive.size < objectIds.length) throw new PrepareAgain('an uploaded part was collected')
  }
  const manifestBytes = versions.reduce((sum, { sealed }) => sum + sealed.manifest.length, 0)
  const partBytes = parts.reduce((sum, { sealed }) => sum + (sealed?.length ?? 0), 0)
  return { statements, stagedBytes: manifestBytes + partBytes }
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
      lost,
      delta.aliases.map(({ node }) => node),
    ),
  )
}
