import { constants } from 'node:os'

/** The `code` of an error of the operating system or of Node (`ENOENT`, …); '' for anything else. */
export function systemErrorCode(error: unknown): string {
  // Not `instanceof Error`: errors of Node's own modules come from another realm under a test runner's VM.
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  // Node has no name for it, and writes `Unknown system error -116`.
  if ('errno' in error && error.errno === -constants.errno.ESTALE) return 'ESTALE'
  return typeof error.code === 'string' ? error.code : ''
}
