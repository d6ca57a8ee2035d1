import { AgentfsError } from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/**
 * The sync routes show a whole home: for a credential that is limited to some paths they are closed until frames and pages
 * are filtered by grants [SY-5]. REST takes such credentials.
 */
export function assertWholeHome(caller: Caller): void {
  if (reachesWholeHome(caller)) return
  throw new AgentfsError('forbidden', {
    detail:
      'this credential is limited to some paths, and a mount needs the whole home: use one without path limits, or REST',
  })
}

/** Whether no path of a home is closed to the credential. */
export function reachesWholeHome(caller: Caller): boolean {
  const { prefixes } = caller.principal.limits
  return prefixes === null || prefixes.some((prefix) => prefix.replaceAll('/', '') === '')
}
