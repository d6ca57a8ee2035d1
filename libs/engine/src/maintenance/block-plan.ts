import type { SingleRecord } from '@agentfs/storage'

/** A block is full at either: a reader of one record opens all of it. */
export const BLOCK_RECORDS = 1_024
const BLOCK_BYTES = 2 * 1024 * 1024
/** A run that is not full yet waits for more, unless it has so many records, and waited for so long. */
const SHORT_RECORDS_MIN = 200
const SHORT_AGE_MS = 7 * 86_400_000

/**
 * The blocks to make of the oldest records of a stream that are in none, in their order: runs of one epoch without a gap. The
 * last run may still grow, so it waits until it is full or old; what comes before a gap or another epoch never will.
 */
export function planBlocks(records: readonly SingleRecord[], nowMs: number): SingleRecord[][] {
  const blocks: SingleRecord[][] = []
  let run: SingleRecord[] = []
  let bytes = 0
  for (const record of records) {
    const before = run.at(-1)
    const follows = before === undefined || (before.epoch === record.epoch && before.seq + 1 === record.seq)
    if (!follows || (run.length > 0 && isFull(run, bytes + record.sealedLength))) {
      blocks.push(run)
      run = []
      bytes = 0
    }
    run.push(record)
    bytes += record.sealedLength
  }
  const [oldest] = run
  const isOld = oldest !== undefined && nowMs - oldest.at.getTime() >= SHORT_AGE_MS
  if (isFull(run, bytes) || (isOld && run.length >= SHORT_RECORDS_MIN)) blocks.push(run)
  return blocks
}

function isFull(run: readonly SingleRecord[], bytes: number): boolean {
  return run.length >= BLOCK_RECORDS || bytes > BLOCK_BYTES
}
