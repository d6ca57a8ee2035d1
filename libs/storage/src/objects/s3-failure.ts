import { systemErrorCode } from './system-error-code.js'

/**
 * What an S3 answer means to us. S3 servers agree on few things; statuses alone do not do: some say 404 for an unknown
 * access key and for a missing bucket, and a missing bucket must never look like a missing object.
 */
export type S3Failure =
  | { readonly kind: 'missing' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'range' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'passing'; readonly retryAfterSeconds: number | undefined }

const MISSING = new Set(['NoSuchKey', 'NoSuchVersion'])
// Clocks apart: the SDK has taken the server's time from the answer and signs the next attempt by it. Digests that do
// not fit: the bytes were damaged on their way, and are whole here.
const PASSING = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'BadDigest',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
  'SlowDown',
  'IncompleteBody',
])
const PASSING_STATUSES = new Set([408, 409, 425, 429, 500, 502, 503, 504, 507])
// What Node says when a connection or its TLS is not to be had; anything without a status is taken for the network too.
const REFUSED_BY_TLS = /^(ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** Sorts what a command of the SDK threw. */
export function s3Failure(error: unknown): S3Failure {
  const name = error instanceof Error ? error.name : ''
  const status = statusOf(error)
  if (MISSING.has(name)) return { kind: 'missing' }
  if (name === 'InvalidRange' || status === 416) return { kind: 'range' }
  if (name === 'PreconditionFailed' || status === 412) return { kind: 'exists' }
  if (PASSING.has(name) || (status !== undefined && PASSING_STATUSES.has(status))) {
    return { kind: 'passing', retryAfterSeconds: retryAfter(error) }
  }
  if (status !== undefined && status >= 300) return { kind: 'refused' }
  if (REFUSED_BY_TLS.test(systemErrorCode(error)) || name === 'CredentialsProviderError')
    return { kind: 'refused' }
  return { kind: 'passing', retryAfterSeconds: undefined }
}

/** True for the 404 without a body that answers a HEAD: it does not tell what is missing. */
export function isBareNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && error instanceof Error && !MISSING.has(error.name)
}

function statusOf(error: unknown): number | undefined {
  const metadata = field(error, '$metadata')
  const status = field(metadata, 'httpStatusCode')
  return typeof status === 'number' ? status : undefined
}

function retryAfter(error: unknown): number | undefined {
  const header = field(field(field(error, '$response'), 'headers'), 'retry-after')
  const seconds = typeof header === 'string' ? Number(header) : Number.NaN
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 1), 60) : undefined
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
