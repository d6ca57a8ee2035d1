import { append, canonicalJson, EMPTY_LOG, leafHash, root } from '@agentfs/audit'
import { type EpochStart, uuidv7 } from '@agentfs/contracts'
import { sealObject } from '@agentfs/crypto'
import {
  epochOpened,
  lockStream,
  recordsInserted,
  streamAdvanced,
  type TenantTransaction,
} from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'

/**
 * Opens a new epoch of a stream: what was acknowledged after its head and never stored is gone, so that the same seq may
 * come to name something else. Its first record, and the first leaf of its log, names the log it continues. Clients of the
 * old epoch are told to take a snapshot [SY-4]. False where the stream's key is gone, so that nothing can be added to it.
 */
export async function openEpoch(
  tx: TenantTransaction,
  vault: KeyVault,
  streamId: string,
  atLeast: number,
  now: Date,
): Promise<boolean> {
  const { tenantId } = tx
  const stream = await lockStream(tx, streamId)
  const keys = stream === undefined ? undefined : await vault.load(tx, [stream.keyId])
  const key = stream === undefined ? undefined : keys?.get(stream.keyId)
  if (stream === undefined || key === undefined) return false
  const old = { size: stream.merkleSize, range: stream.merkleRange }
  const epoch = Math.max(atLeast, stream.epoch + 1)
  const seq = stream.headSeq + 1
  const start: EpochStart = {
    v: 1,
    stream: streamId,
    epoch,
    seq,
    at: now.toISOString(),
    forkedFrom: { epoch: stream.epoch, seq: stream.headSeq, size: old.size, root: root(old).toString('hex') },
  }
  const text = Buffer.from(canonicalJson(start), 'utf8')
  const leaf = leafHash(text)
  const recordId = uuidv7()
  const sealed = sealObject({ kind: 'record', tenantId, objectId: recordId, ...key }, text)
  await tx.run(
    recordsInserted(tenantId, streamId, epoch, [{ recordId, seq, leafIndex: 0, leaf, at: now, sealed }]),
  )
  await tx.run(epochOpened(tenantId, streamId, epoch))
  const head = { seq, log: append(EMPTY_LOG, leaf), stagedBytes: sealed.length, at: now }
  await tx.run(streamAdvanced(tenantId, streamId, head))
  return true
}
