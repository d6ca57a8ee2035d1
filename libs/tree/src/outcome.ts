import type { AuditAction, ErrorCode, OperationResult, TimeSpec } from '@agentfs/contracts'

/** What application of an operation needs to know besides the tree: no clock, no randomness of its own. */
export interface ApplyContext {
  /** The seq of the commit. */
  readonly seq: number
  /** The commit's time, RFC 3339. */
  readonly at: string
  /** The same as seconds and nanoseconds. */
  readonly time: TimeSpec
  /** Who writes, as `modifiedBy` shows it. */
  readonly author: string
  /** The agent's name, for names of conflict copies. */
  readonly agentName: string
  /** A fresh id. */
  readonly newId: () => string
}

/** One effect to name in the record. */
export type Effect = {
  readonly action: AuditAction
  readonly node: string
  readonly version?: string
  readonly previous?: string
  /** The path as the tree had it before the change, where the change takes it away. */
  readonly from?: string
}

/** What became of an operation, and the effects for the record. */
export type Outcome = { readonly result: OperationResult; readonly effects: readonly Effect[] }

/** Everything went as asked. */
export function applied(...effects: Effect[]): Outcome {
  return { result: { status: 'applied' }, effects }
}

/** A refusal, thrown within an operation's application and turned into its result. */
export class Refusal extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
