import { type AgentfsError, type ErrorCode, HTTP_STATUS, type Problem } from '@agentfs/contracts'
import { TITLES, WHAT_TO_DO } from './problem-texts.js'

/** Where a code is explained; relative to the service, so that the address holds wherever it runs. */
function problemType(code: ErrorCode): string {
  return `/docs/errors/${code}`
}

/** The RFC 9457 document of an error. Only facts meant for the caller get in; causes and stacks go to the log. */
export function problemOf(error: AgentfsError, requestId: string): Problem {
  const { detail, ...facts } = error.details
  return {
    ...facts,
    type: problemType(error.code),
    title: TITLES[error.code],
    status: HTTP_STATUS[error.code],
    code: error.code,
    detail: typeof detail === 'string' ? detail : WHAT_TO_DO[error.code],
    requestId,
  }
}

/** How many seconds a caller had better wait, for codes that pass by themselves. */
export function retryAfterSeconds(error: AgentfsError): number | null {
  const told = error.details['retryAfterSeconds']
  if (typeof told === 'number') return Math.max(1, Math.ceil(told))
  return RETRY_AFTER[error.code] ?? null
}

const RETRY_AFTER: Partial<Record<ErrorCode, number>> = {
  rate_limited: 1,
  storage_backlogged: 5,
  kms_unavailable: 5,
  unavailable: 1,
}
