import { AgentfsError, ERRNO, type ErrorCode, type ErrorDetails } from '@agentfs/contracts'

/** What only a client store can meet; never on the wire, so these stand apart from the service's codes. */
export const STORE_ERRNO = {
  /** The journal reached its bound: nothing more is taken until a push went through [VIS-4]. */
  journal_full: 'ENOSPC',
  /** The disk under the store is full; nothing of the call was applied. */
  disk_full: 'ENOSPC',
  /** A node's extended attributes reached their bound. */
  attributes_full: 'ENOSPC',
  /** Another process has the store open. */
  store_locked: 'EBUSY',
  /** Journal, key or tree cannot be read: the store refuses to pretend [DUR-7]. */
  store_unreadable: 'EIO',
  /** The name is longer than 255 bytes [FS-3]. */
  name_too_long: 'ENAMETOOLONG',
  /** The inode is not known any more. */
  stale: 'ESTALE',
  /** The credential was refused: everything but the journal is closed [SY-1]. */
  revoked: 'EACCES',
} as const satisfies Record<string, string>

/** A code of a client store. */
export type StoreErrorCode = keyof typeof STORE_ERRNO

/** A failure of the client store itself, as opposed to a refusal that a service would give too. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly details: ErrorDetails

  constructor(
    code: StoreErrorCode,
    detail: string,
    details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(detail, options)
    this.code = code
    this.details = details
  }
}

/** True for a StoreError, of the given code where one is named. */
export function isStoreError(error: unknown, code?: StoreErrorCode): error is StoreError {
  return error instanceof StoreError && (code === undefined || error.code === code)
}

/** The name of the errno a mount answers for an error of the store; `EIO` for what it does not know. */
export function errnoName(error: unknown): string {
  if (error instanceof StoreError) return STORE_ERRNO[error.code]
  if (error instanceof AgentfsError) return ERRNO[error.code]
  return 'EIO'
}

/** An error as it crosses to another thread, where classes are lost. */
export type WireError = {
  readonly kind: 'agentfs' | 'store' | 'other'
  readonly code: string
  readonly message: string
  readonly details: ErrorDetails
}

/** Packs an error for another thread. */
export function packError(error: unknown): WireError {
  if (error instanceof AgentfsError) {
    return { kind: 'agentfs', code: error.code, message: error.message, details: plain(error.details) }
  }
  if (error instanceof StoreError) {
    return { kind: 'store', code: error.code, message: error.message, details: plain(error.details) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'other', code: 'internal', message, details: {} }
}

/** The error that was packed. */
export function unpackError(error: WireError): Error {
  if (error.kind === 'store' && error.code in STORE_ERRNO) {
    return new StoreError(error.code as StoreErrorCode, error.message, error.details)
  }
  if (error.kind === 'agentfs' && error.code in ERRNO) {
    return new AgentfsError(error.code as ErrorCode, { ...error.details, detail: error.message })
  }
  return new Error(error.message)
}

function plain(details: ErrorDetails): ErrorDetails {
  return JSON.parse(JSON.stringify(details)) as ErrorDetails
}
