import type { Actor, KeyScope } from '@agentfs/contracts'
import type { TenantScope } from './tenant-scope.js'

/** An authenticated caller: for whom it acts, who it is, and what its credential is cut down to. */
export interface Principal {
  readonly scope: TenantScope
  readonly actor: Actor
  /** The API key behind the call, where there is one. */
  readonly keyId: string | null
  readonly limits: KeyScope
}
