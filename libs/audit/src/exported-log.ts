import type { Receipt } from '@agentfs/contracts'
import { LeafList } from './leaf-list.js'
import { appendAll, EMPTY_LOG, type LogState, root } from './merkle-log.js'

/** That somebody proved a log to have had a root at a size. */
export interface RootClaim {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** Who proves it, for people: `checkpoint 12`, `the receipt of seq 7`. */
  readonly source: string
}

/** What checking a log against its claims found wrong. */
export interface LogFinding {
  readonly code: 'changed' | 'cut'
  /** The wrong records are among the leaves from this index … */
  readonly from: number
  /** … up to, and not including, this one. */
  readonly to: number
  readonly source: string
}

/** One stream's log as an export holds it. */
export class ExportedLog {
  readonly stream: string
  readonly epoch: number
  readonly #claims: RootClaim[] = []
  readonly #receipts: Receipt[] = []
  readonly #leaves = new LeafList()
  #start: LogState = EMPTY_LOG

  constructor(stream: string, epoch: number) {
    this.stream = stream
    this.epoch = epoch
  }

  /** Leaves before the first one exported. */
  get startSize(): number {
    return this.#start.size
  }

  get size(): number {
    return this.#start.size + this.#leaves.length
  }

  /** Says where the export starts; false when it has started already. */
  startAt(state: LogState): boolean {
    if (this.#start.size > 0 || this.#leaves.length > 0) return false
    this.#start = state
    return true
  }

  addLeaf(leaf: Uint8Array): void {
    this.#leaves.push(leaf)
  }

  addClaim(claim: RootClaim): void {
    this.#claims.push(claim)
  }

  addReceipt(receipt: Receipt): void {
    const source = `the receipt of seq ${receipt.seq}`
    this.#claims.push({ size: receipt.size, root: receipt.root, source })
    this.#receipts.push(receipt)
  }

  /** Checks every claim about this log, and says up to which size the claims prove it. */
  check(): { findings: LogFinding[]; root: string; provenSize: number } {
    const receipts = this.#receipts.filter((receipt) => this.#contradicts(receipt)).map(receiptFinding)
    const claims = this.#claims.toSorted((a, b) => a.size - b.size)
    // Claims about sizes before the export's start say nothing about it.
    const due = claims.filter(({ size }) => size >= this.startSize && size <= this.size)
    const { good, bad, logRoot } = this.#checkRoots(due)
    const changed: LogFinding[] =
      bad === undefined
        ? []
        : [{ code: 'changed', from: Math.min(good, bad.size), to: bad.size, source: bad.source }]
    const longest = claims.at(-1)
    const cut: LogFinding[] =
      longest === undefined || longest.size <= this.size
        ? []
        : [{ code: 'cut', from: this.size, to: longest.size, source: longest.source }]
    return { findings: [...receipts, ...changed, ...cut], root: logRoot, provenSize: good }
  }

  /** The largest size proven before the first claim that fails, that claim, and the root over all leaves. */
  #checkRoots(claims: readonly RootClaim[]): { good: number; bad: RootClaim | undefined; logRoot: string } {
    let state = this.#start
    let good = this.startSize
    let bad: RootClaim | undefined
    for (const claim of claims) {
      state = this.#grow(state, claim.size)
      if (root(state).toString('hex') === claim.root) {
        // A right root after a wrong one: two claims contradict each other, which is no less a finding.
        if (bad === undefined) good = claim.size
      } else bad ??= claim
    }
    return { good, bad, logRoot: root(this.#grow(state, this.size)).toString('hex') }
  }

  #grow(from: LogState, size: number): LogState {
    return appendAll(from, this.#leaves.slice(from.size - this.startSize, size - this.startSize))
  }

  #contradicts({ index, leaf }: Receipt): boolean {
    const at = index - this.startSize
    return at >= 0 && at < this.#leaves.length && this.#leaves.at(at).toString('hex') !== leaf
  }
}

function receiptFinding({ index, seq }: Receipt): LogFinding {
  return { code: 'changed', from: index, to: index + 1, source: `the receipt of seq ${seq}` }
}
