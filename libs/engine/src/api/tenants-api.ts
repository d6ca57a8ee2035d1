import type { Erasure } from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** The tenant of the caller as a whole. */
export interface TenantsApi {
  /**
   * Erases it, with all its agents, people and keys, for good [ENC-3]. An owner's credential for all of the tenant alone may,
   * and has to repeat the tenant's name. No credential of it holds any more when this is answered, but for what other
   * processes remember for less than a second [ACL-3].
   */
  erase(caller: Caller, name: string): Promise<Erasure>
}
