import { AgentfsError } from '@agentfs/contracts'

/** Seconds after which a database that does not answer is worth asking again. */
const RETRY_AFTER_SECONDS = 2

// Classes of SQLSTATE that pass by themselves: connection, resources, operator intervention, serialization, lock time-out.
const PASSING_STATE = /^(08|53|57|40)|^55P03$/
const PASSING_CODE =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/

/** What a plan fails with whose tables were changed since, or which the server no longer has; the next connection plans anew. */
export function isStalePlan(error: unknown): boolean {
  const code = databaseErrorCode(error)
  return code === '26000' || (code === '0A000' && /cached plan/.test(databaseErrorMessage(error)))
}

function databaseErrorMessage(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return 'code' in error ? error.message : databaseErrorMessage(error.cause)
}

/** The SQLSTATE or socket code of an error, '' where it has none; drizzle wraps what the driver threw. */
export function databaseErrorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return 'cause' in error ? databaseErrorCode(error.cause) : ''
}

/** True where a unique index refused a row. */
export function isUniqueViolation(error: unknown): boolean {
  return databaseErrorCode(error) === '23505'
}

/** What a failed query is to domain code: an outage becomes `unavailable`, everything else stays what it is. */
export function asDomainError(error: unknown): unknown {
  if (error instanceof AgentfsError) return error
  // What we threw below drizzle, such as a connection lost under a query, comes back wrapped.
  if (error instanceof Error && error.cause instanceof AgentfsError) return error.cause
  const code = databaseErrorCode(error)
  // NUL in a text or in JSON: Postgres is the last to refuse it.
  if (code === '22021' || code === '22P05') {
    return new AgentfsError('invalid_request', { detail: 'a text holds a NUL character' }, { cause: error })
  }
  if (!PASSING_STATE.test(code) && !PASSING_CODE.test(code) && !isStalePlan(error)) return error
  const detail = 'the database does not answer; try again'
  return new AgentfsError('unavailable', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS }, { cause: error })
}

/** The connection ended under a transaction, of which nothing is known to be committed. */
export function connectionLost(): AgentfsError {
  const detail = 'the connection to the database was lost; try again'
  return new AgentfsError('unavailable', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS })
}
