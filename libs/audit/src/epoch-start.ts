import type { EpochStart } from '@agentfs/contracts'
import { recordLeaf } from './record-leaf.js'

/** Leaf of an epoch's start, to append first to the empty log of the new epoch. */
export function epochStartLeaf(start: EpochStart): Buffer {
  return recordLeaf(start)
}
