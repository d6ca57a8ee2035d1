/** Why the embedded Postgres could not be started. */
export type EmbeddedPostgresReason =
  | 'unsupported_platform'
  | 'binaries_unusable'
  | 'in_use'
  | 'not_owner'
  | 'other_major'
  | 'port_taken'
  | 'leftover_processes'
  | 'initialization_failed'
  | 'start_failed'
  | 'keeps_crashing'

/** A start that failed; the message is for the operator and ends with what to do next. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError'
  readonly reason: EmbeddedPostgresReason

  constructor(reason: EmbeddedPostgresReason, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.reason = reason
  }
}
