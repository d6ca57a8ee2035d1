import type { Receipt } from '@agentfs/contracts'
import { type LogState, root } from './merkle-log.js'
import { recordLeaf } from './record-leaf.js'

/** Where a record stands in its stream. */
export interface RecordAddress {
  readonly stream: string
  readonly epoch: number
  readonly seq: number
}

/** The receipt for the leaf that was just appended: `state` is the log with it as its last leaf. */
export function receiptFor(address: RecordAddress, leaf: Uint8Array, state: LogState): Receipt {
  const { stream, epoch, seq } = address
  return {
    stream,
    epoch,
    seq,
    index: state.size - 1,
    leaf: Buffer.from(leaf).toString('hex'),
    size: state.size,
    root: root(state).toString('hex'),
  }
}

/**
 * True when the receipt is for this very record: leaf and address agree. That the log still holds it where the
 * receipt says is `verifyExport`'s to tell, or an inclusion proof's.
 */
export function verifyReceipt(record: RecordAddress, receipt: Receipt): boolean {
  return (
    recordLeaf(record).toString('hex') === receipt.leaf &&
    record.stream === receipt.stream &&
    record.epoch === receipt.epoch &&
    record.seq === receipt.seq &&
    receipt.index < receipt.size
  )
}
