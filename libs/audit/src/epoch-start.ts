import { recordLeaf } from './record-leaf.js'

/** The first leaf of the log of an epoch that forked from an older one: it names the log it continues. */
export interface EpochStart {
  readonly v: 1
  readonly stream: string
  /** The new epoch. */
  readonly epoch: number
  readonly forkedFrom: {
    readonly epoch: number
    /** The last commit that was kept. */
    readonly seq: number
    /** Size of the old epoch's log up to it. */
    readonly size: number
    /** Hex root of the old epoch's log at that size. */
    readonly root: string
  }
}

/** Leaf of an epoch's start, to append first to the empty log of the new epoch. */
export function epochStartLeaf(start: EpochStart): Buffer {
  return recordLeaf(start)
}
