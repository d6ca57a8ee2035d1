import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { eachNotification, NotificationBatch } from './notification.js'

/** Hexadecimal, in words of 32 bits. */
const words = (bytes: Uint8Array): string =>
  (
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,8}/g) ?? []
  ).join(' ')
/** The only notification of a batch. */
const only = (batch: NotificationBatch): string =>
  words([...eachNotification(batch.take())][0] ?? new Uint8Array())

describe('notifications', () => {
  it('INVAL_INODE: length 40, code 2, then node, offset and length', () => {
    expect(only(new NotificationBatch().invalInode(7, -1, 0))).toBe(
      '28000000 02000000 00000000 00000000 07000000 00000000 ffffffff ffffffff 00000000 00000000',
    )
    expect(only(new NotificationBatch().invalInode(2 ** 40 + 1, 2 ** 33, 5))).toBe(
      '28000000 02000000 00000000 00000000 01000000 00010000 00000000 02000000 05000000 00000000',
    )
  })

  it('INVAL_ENTRY: code 3, parent, name length, flags, name with its NUL', () => {
    expect(only(new NotificationBatch().invalEntry(1, Buffer.from('ab'), { expireOnly: true }))).toBe(
      '23000000 03000000 00000000 00000000 01000000 00000000 02000000 01000000 616200',
    )
  })

  it('DELETE: code 6, parent, child, name length, padding, name with its NUL', () => {
    expect(only(new NotificationBatch().delete(1, 9, Buffer.from('a')))).toBe(
      '2a000000 06000000 00000000 00000000 01000000 00000000 09000000 00000000 01000000 00000000 6100',
    )
  })

  it('STORE: code 4, node, offset, size, padding, bytes; INC_EPOCH: code 8, no body', () => {
    expect(only(new NotificationBatch().store(3, 4096, Buffer.from('xyz')))).toBe(
      '2b000000 04000000 00000000 00000000 03000000 00000000 00100000 00000000 03000000 00000000 78797a',
    )
    expect(only(new NotificationBatch().incrementEpoch())).toBe('10000000 08000000 00000000 00000000')
  })

  it('a batch holds any mix of notifications, in order, each whole, and is empty when taken', () => {
    const name = fc.uint8Array({ minLength: 1, maxLength: 300 })
    fc.assert(
      fc.property(fc.array(name, { maxLength: 60 }), (names) => {
        const batch = new NotificationBatch()
        for (const [index, bytes] of names.entries()) batch.invalEntry(index, bytes).invalInode(index)
        expect(batch.count).toBe(names.length * 2)
        const taken = [...eachNotification(batch.take())]
        expect(batch.count).toBe(0)
        expect(taken).toHaveLength(names.length * 2)
        for (const [index, bytes] of names.entries()) {
          const single = new NotificationBatch().invalEntry(index, bytes)
          expect(words(taken[index * 2] ?? new Uint8Array())).toBe(only(single))
        }
      }),
    )
  })
})
