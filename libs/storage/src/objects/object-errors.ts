import { AgentfsError } from '@agentfs/contracts'

/** Seconds after which it is worth asking a store again that just failed. */
const RETRY_AFTER_SECONDS = 2

/** The object is not there. */
export function objectMissing(key: string, cause?: unknown): AgentfsError {
  return new AgentfsError('not_found', { object: key, detail: `there is no object ${key}` }, { cause })
}

/** The object ends before a range that the caller knows it has. */
export function objectTooShort(key: string, from: number, length: number, cause?: unknown): AgentfsError {
  const detail = `object ${key} ends before byte ${from + length}`
  return new AgentfsError('object_corrupt', { object: key, detail }, { cause })
}

/** The store does not answer as it should, for now. */
export function storeUnavailable(
  key: string,
  cause: unknown,
  retryAfterSeconds = RETRY_AFTER_SECONDS,
): AgentfsError {
  const detail = 'the object store does not answer; try again'
  return new AgentfsError('unavailable', { object: key, detail, retryAfterSeconds }, { cause })
}

/** The store answers, and refuses us: an operator must look. */
export function storeRefuses(key: string, cause: unknown): AgentfsError {
  return new AgentfsError(
    'internal',
    { object: key, detail: 'the object store refuses the request' },
    { cause },
  )
}

/** Two keys of which one is a folder of the other. */
export function keyIsFolder(key: string, cause?: unknown): AgentfsError {
  const detail = `not an object key here: ${key} is a folder of other objects, or lies below an object`
  return new AgentfsError('invalid_path', { object: key, detail }, { cause })
}

/** Refuses a range that no object can have. */
export function assertRange(key: string, from: number, length: number): void {
  const fine = Number.isSafeInteger(from) && Number.isSafeInteger(length) && from >= 0 && length >= 0
  if (!fine)
    throw new AgentfsError('invalid_request', { object: key, detail: `not a range: ${from}+${length}` })
}
