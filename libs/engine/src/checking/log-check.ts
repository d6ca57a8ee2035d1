import { appendAll, EMPTY_LOG, type LogState } from '@agentfs/audit'
import type { TenantScope } from '@agentfs/access'
import type { CheckedStream, CheckStore } from '@agentfs/storage'

const PAGE = 5_000

/** Rebuilds a stream's Merkle log from its leaves; a sentence where it is not the one that its row has. */
export async function checkLog(
  store: CheckStore,
  scope: TenantScope,
  stream: CheckedStream,
): Promise<string | undefined> {
  let log: LogState = EMPTY_LOG
  let epoch = 0
  let seq = 0
  for (;;) {
    const leaves = await store.leaves(scope, stream.streamId, { epoch, seq }, PAGE)
    for (const leaf of leaves) {
      // Commits since the stream's row was read are of the next check.
      if (leaf.epoch > stream.epoch || (leaf.epoch === stream.epoch && leaf.seq > stream.headSeq)) break
      // An epoch's first record is its start, which names the log that it goes on from.
      if (leaf.epoch !== epoch) log = EMPTY_LOG
      if (leaf.leafIndex !== log.size)
        return `record ${leaf.seq} is at leaf ${leaf.leafIndex}, not ${log.size}`
      log = appendAll(log, [leaf.leaf])
      ;({ epoch, seq } = leaf)
    }
    if (leaves.length < PAGE) break
  }
  // A new epoch without commits has only its start.
  if (epoch !== stream.epoch) return undefined
  const same = log.size === stream.merkleSize && Buffer.from(log.range).equals(stream.merkleRange)
  return same
    ? undefined
    : `the records make a log of ${log.size}, which is not the one of ${stream.merkleSize} that the stream has`
}
