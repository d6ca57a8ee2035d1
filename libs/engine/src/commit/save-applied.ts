import {
  enlivenObjects,
  insertKeys,
  insertParts,
  insertVersions,
  nameParts,
  passKeys,
  saveTree,
  type TenantTransaction,
} from '@agentfs/storage'
import type { AppliedCommit } from './apply-commit.js'
import { PrepareAgain, type Prepared } from './planned-operation.js'

/** Sends the statements that make a commit's tree, versions and parts; gives the sealed bytes that now wait. */
export async function saveApplied(
  tx: TenantTransaction,
  agentId: string,
  prepared: Prepared,
  applied: AppliedCommit,
  author: string,
  commit: { readonly epoch: number; readonly seq: number; readonly at: Date },
): Promise<number> {
  const { tree, delta, versions } = applied
  const usedKeyIds = new Set(versions.map(({ key }) => key.keyId))
  const newKeys = prepared.newKeys.filter(({ keyId }) => usedKeyIds.has(keyId))
  const keyOwners = newKeys.map(({ row }) => ({ ...row, nodeId: tree.resolve(row.nodeId ?? '') }))
  if (keyOwners.length > 0) void insertKeys(tx, keyOwners, commit.at)
  const contentKeys = new Map(keyOwners.map(({ nodeId, keyId }) => [nodeId, keyId]))
  saveTree(tx, agentId, delta, contentKeys, commit)
  if (delta.aliases.length > 0) {
    const lost = delta.aliases.map(({ alias }) => alias)
    void passKeys(
      tx,
      lost,
      delta.aliases.map(({ node }) => node),
    )
  }
  const parts = versions.flatMap(({ nodeId, parts: own }) => own.map((part) => ({ ...part, nodeId })))
  if (parts.length > 0) void insertParts(tx, agentId, parts, commit)
  const uploaded = versions.flatMap((version) => version.uploaded)
  if (uploaded.length > 0) void nameParts(tx, agentId, uploaded, commit)
  if (versions.length > 0) {
    const rows = versions.map(({ sealed, key, ...version }) => ({
      ...version,
      author,
      partIds: sealed.partIds,
      keyId: key.keyId,
      sealed: sealed.manifest,
    }))
    void insertVersions(tx, agentId, rows, commit)
  }
  const objectIds = [...new Set(versions.flatMap((version) => version.objectIds))]
  if (objectIds.length > 0) {
    const alive = await enlivenObjects(tx, objectIds, commit.seq, commit.epoch)
    if (alive.size < objectIds.length) throw new PrepareAgain('an uploaded part was collected')
  }
  const manifestBytes = versions.reduce((sum, { sealed }) => sum + sealed.manifest.length, 0)
  return manifestBytes + parts.reduce((sum, { sealed }) => sum + (sealed?.length ?? 0), 0)
}
