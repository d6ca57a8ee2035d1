import { isAgentfsError } from '@agentfs/contracts'
import type { AffectedFile } from '@agentfs/storage'

/** Something that a check found. */
export interface Finding {
  /**
   * `damaged`: bytes or rows are not as they were written. `missing`: what a row needs is not there. `ahead`: the bucket has
   * more than the rows know. `orphan`: nothing knows it, and nothing needs it; no error.
   */
  readonly kind: 'damaged' | 'missing' | 'ahead' | 'orphan'
  readonly tenantId: string
  /** The object's key, or `postgres` for what stands in a row alone. */
  readonly object: string
  readonly problem: string
  readonly agentId?: string
  readonly versionId?: string
  /** A file that cannot be read whole because of it. */
  readonly file?: AffectedFile
  readonly bytes?: number
  /** Age by the object's id, for an orphan. */
  readonly ageMs?: number
}

/** A problem with what stands in an object, before it is known which object. */
export type Problem = Pick<Finding, 'kind' | 'problem' | 'agentId' | 'versionId'>

/** What an error says about the bytes that were looked at; any other error is thrown on. */
export function problemOf(error: unknown): string {
  if (!isAgentfsError(error, 'object_corrupt')) throw error
  const { details } = error
  const { place, problem, objectKind, objectId, reason } = details
  if (typeof problem === 'string') return `${String(place)} ${problem}`
  const name = [objectKind, objectId].filter((word) => typeof word === 'string').join(' ')
  const wrong = `the bytes${name === '' ? '' : ` of ${name}`} are not those that were written`
  return typeof reason === 'string' ? `${wrong} (${reason})` : wrong
}
