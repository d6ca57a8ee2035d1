import { expect, it } from '@jest/globals'
import { append, EMPTY_LOG, root } from './merkle-log.js'
import { receiptFor, verifyReceipt } from './receipt.js'
import { recordLeaf } from './record-leaf.js'

const record = {
  v: 1,
  stream: '0192f000-0000-7000-8000-000000000001',
  epoch: 1,
  seq: 2,
  requestId: 'r-2',
  changes: [{ index: 0, action: 'file.write', path: 'notes.md' }],
}

it('[AUD-3] a receipt is for its very record, under the root of the log that ends with it', () => {
  const log = append(append(EMPTY_LOG, recordLeaf({ ...record, seq: 1 })), recordLeaf(record))
  const receipt = receiptFor(record, recordLeaf(record), log)
  expect(receipt).toMatchObject({ index: 1, size: 2, root: root(log).toString('hex') })
  expect(verifyReceipt(record, receipt)).toBe(true)
  const edited = { ...record, requestId: 'r-3' }
  expect(verifyReceipt(edited, receipt)).toBe(false)
  expect(verifyReceipt(record, { ...receipt, seq: 3 })).toBe(false)
  expect(verifyReceipt(record, { ...receipt, stream: '0192f000-0000-7000-8000-000000000002' })).toBe(false)
})

it('[AUD-3] the leaf of a record does not depend on the order of its members', () => {
  const reversed = Object.fromEntries(Object.entries(record).toReversed())
  expect(recordLeaf(reversed)).toEqual(recordLeaf(record))
  expect(recordLeaf({ b: 1, a: 'é' }).toString('hex')).toMatchInlineSnapshot(
    `"173bf5bd98e4912947a5e28949cd1120804d2213e37241ea26567dd22074981b"`,
  )
})
