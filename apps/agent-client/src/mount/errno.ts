import type { ErrnoName } from '@agentfs/fuse'
import { errnoName } from '@agentfs/sync'

/** The errno of whatever an operation threw [FS-3]. */
export function errnoOf(error: unknown): ErrnoName {
  return errnoName(error) as ErrnoName
}
