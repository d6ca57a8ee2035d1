import { isAgentfsError, type ErrorCode } from '@agentfs/contracts'
import { UnfinishedError } from './transfer/unfinished.js'

/** Exit codes of every command (docs/CLI.md). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  credentials: 4,
  conflict: 5,
  quota: 6,
  unreachable: 69,
  unpushed: 75,
} as const

/** An exit code. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** A mistake in how a command was called; its message says how to call it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Work that stays in the journal when a mount is left; `files` names it. */
export class UnpushedError extends Error {
  override readonly name = 'UnpushedError'
}

const BY_CODE: Partial<Record<ErrorCode, ExitCode>> = {
  invalid_path: EXIT.usage,
  not_found: EXIT.notFound,
  unauthenticated: EXIT.credentials,
  key_revoked: EXIT.credentials,
  token_expired: EXIT.credentials,
  forbidden: EXIT.credentials,
  already_exists: EXIT.conflict,
  not_empty: EXIT.conflict,
  version_conflict: EXIT.conflict,
  store_forked: EXIT.conflict,
  quota_exceeded: EXIT.quota,
  too_large: EXIT.quota,
}

/** The word for a failure in the JSON that `--json` gives of it. */
export function failureCode(error: unknown): string {
  if (error instanceof UsageError) return 'usage'
  if (error instanceof UnpushedError || error instanceof UnfinishedError) return 'unpushed'
  return isAgentfsError(error) ? error.code : 'failed'
}

/** The exit code that tells a caller what kind of failure this was. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof UnpushedError || error instanceof UnfinishedError) return EXIT.unpushed
  if (!isAgentfsError(error)) return EXIT.failed
  if (error.details['unreachable'] === true) return EXIT.unreachable
  return BY_CODE[error.code] ?? EXIT.failed
}
