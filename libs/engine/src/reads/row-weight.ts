import { xattrsBytes } from '@agentfs/contracts'
import type { NodeRow } from '@agentfs/storage'

/** What the row of a node without extended attributes takes in memory, about. */
const ROW_BYTES = 1_024

/** How many rows without extended attributes take as much memory as this one. */
export function rowWeight({ xattrs }: Pick<NodeRow, 'xattrs'>): number {
  return xattrs === null ? 1 : 1 + Math.ceil(xattrsBytes(xattrs) / ROW_BYTES)
}
