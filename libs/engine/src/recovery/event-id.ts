import { createHash } from 'node:crypto'

/**
 * The id of a listed event that is made again: a UUIDv7 of the record's time, so that lists are in the order they had, and
 * the same however often it is made.
 */
export function eventIdOf(
  stream: string,
  epoch: number,
  seq: number,
  changeIndex: number,
  atMs: number,
): string {
  const time = atMs.toString(16).padStart(12, '0')
  // Records of one millisecond keep their order, and so do the changes of one record.
  const order = (0x7000 | (seq & 0xfff)).toString(16)
  const index = (0x8000 | (changeIndex & 0x3fff)).toString(16)
  const tail = createHash('sha256')
    .update(`${stream}/${epoch}/${seq}/${changeIndex}`)
    .digest('hex')
    .slice(0, 12)
  return `${time.slice(0, 8)}-${time.slice(8)}-${order}-${index}-${tail}`
}
