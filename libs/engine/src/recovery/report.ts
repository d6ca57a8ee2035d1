import type { UnreadObject } from './bucket.js'

/** Something that could not be had again; it reads as damaged or erased, never as something else. */
export interface RecoveryLoss {
  readonly kind:
    /** An object that is not what its name says, or a damaged place in one. */
    | 'object'
    /** A stream ends before its last segments do: a record is missing, and nothing after it counts. */
    | 'gap'
    /** A file whose newest version is not there. */
    | 'head'
    /** A key that rows need and no piece of the ledger has. */
    | 'key'
    /** An agent that the tenant's own stream does not name, or a tenant without a stream. */
    | 'unknown'
    /** Commits of the database under seqs that another, later history of the bucket has: they are not in it. */
    | 'dropped'
  readonly tenant: string
  readonly agent?: string
  readonly detail: string
}

/** What was rebuilt of one tenant. */
export interface RecoveredTenant {
  readonly tenant: string
  readonly agents: number
  readonly commits: number
  /** Records of all its streams. */
  readonly records: number
  readonly versions: number
  readonly parts: number
  /** Objects that nothing needs any more: they go after the grace time. */
  readonly orphans: number
}

/** What a rebuilding did. */
export interface RecoveryReport {
  readonly tenants: readonly RecoveredTenant[]
  /** All that is missing; the first thousand. */
  readonly losses: readonly RecoveryLoss[]
  readonly lossCount: number
  /** What else an operator may want to know: which tree images were taken, and which were passed over. */
  readonly notes: readonly string[]
}

const LOSSES_MAX = 1_000

/** Takes note of what is missing. */
export class Losses {
  readonly list: RecoveryLoss[] = []
  readonly notes: string[] = []
  count = 0

  /** Notes what is no loss. */
  note(text: string): void {
    if (this.notes.length < LOSSES_MAX) this.notes.push(text)
  }

  /** Takes over what another has noted. */
  addAll(other: Losses): void {
    for (const loss of other.list) this.add(loss)
    for (const text of other.notes) this.note(text)
    this.count += other.count - other.list.length
  }

  add(loss: RecoveryLoss): void {
    this.count++
    if (this.list.length < LOSSES_MAX) this.list.push(loss)
  }

  addUnread(tenant: string, agent: string | null, unread: readonly UnreadObject[]): void {
    for (const { object, problem } of unread) {
      this.add({
        kind: 'object',
        tenant,
        ...(agent === null ? {} : { agent }),
        detail: `${object}: ${problem}`,
      })
    }
  }
}
