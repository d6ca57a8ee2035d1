/** Error codes a caller can meet, with the HTTP status of each (SURFACE, table of codes). */
export const HTTP_STATUS = {
  invalid_path: 400,
  invalid_request: 400,
  parts_missing: 409,
  unauthenticated: 401,
  key_revoked: 401,
  token_expired: 401,
  forbidden: 403,
  not_found: 404,
  already_exists: 409,
  not_empty: 409,
  is_directory: 409,
  not_a_directory: 409,
  store_forked: 409,
  cross_boundary: 409,
  epoch_changed: 410,
  too_old: 410,
  version_conflict: 412,
  too_large: 413,
  quota_exceeded: 413,
  unprocessable: 422,
  client_too_old: 426,
  rate_limited: 429,
  internal: 500,
  object_corrupt: 500,
  storage_backlogged: 503,
  kms_unavailable: 503,
  unavailable: 503,
  timeout: 504,
} as const

/** A stable, public error code. */
export type ErrorCode = keyof typeof HTTP_STATUS

/** The errno a mount answers for each code; `retried` codes reach a caller only when nothing can be journaled. */
export const ERRNO = {
  invalid_path: 'EINVAL',
  invalid_request: 'EINVAL',
  parts_missing: 'EIO',
  unauthenticated: 'EACCES',
  key_revoked: 'EACCES',
  token_expired: 'EACCES',
  forbidden: 'EACCES',
  not_found: 'ENOENT',
  already_exists: 'EEXIST',
  not_empty: 'ENOTEMPTY',
  is_directory: 'EISDIR',
  not_a_directory: 'ENOTDIR',
  store_forked: 'EIO',
  cross_boundary: 'EXDEV',
  epoch_changed: 'ESTALE',
  too_old: 'ESTALE',
  version_conflict: 'ESTALE',
  too_large: 'EFBIG',
  quota_exceeded: 'EDQUOT',
  unprocessable: 'EIO',
  client_too_old: 'EIO',
  rate_limited: 'EIO',
  internal: 'EIO',
  object_corrupt: 'EIO',
  storage_backlogged: 'EIO',
  kms_unavailable: 'EIO',
  unavailable: 'EIO',
  timeout: 'EIO',
} as const satisfies Record<ErrorCode, string>

/** Codes that may pass by themselves: a client backs off and tries again [SY-15]. */
export const RETRIABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limited',
  'storage_backlogged',
  'kms_unavailable',
  'unavailable',
  'timeout',
  'internal',
])

/** Facts for the caller; never secrets, contents or operator detail. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** The one error type of domain code: a stable code, structured details, the cause chained for operators. */
export class AgentfsError extends Error {
  override readonly name = 'AgentfsError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  /** `details.detail`, where given, is the sentence shown to the caller. */
  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(typeof details['detail'] === 'string' ? details['detail'] : code, options)
    this.code = code
    this.details = details
  }
}

/** The HTTP status of a code. */
export function httpStatus(code: ErrorCode): number {
  return HTTP_STATUS[code]
}

/** True for an AgentfsError, of the given code where one is named. */
export function isAgentfsError(error: unknown, code?: ErrorCode): error is AgentfsError {
  return error instanceof AgentfsError && (code === undefined || error.code === code)
}

const NO_SUCH_AGENT = 'there is no such agent'

/** The answer where an agent is not there, or is not for the caller to know of [ISO-1]. */
export function agentNotFound(): AgentfsError {
  return new AgentfsError('not_found', { detail: NO_SUCH_AGENT })
}

/** True for that answer: of all that may be missing, the agent is. */
export function isAgentNotFound(error: unknown): error is AgentfsError {
  return isAgentfsError(error, 'not_found') && error.message === NO_SUCH_AGENT
}
