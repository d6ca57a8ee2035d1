import type { Principal } from '@agentfs/access'
import type { Door } from '@agentfs/contracts'

/** One request's circumstances, for its record [AUD-1]. */
export interface RequestOrigin {
  readonly requestId: string
  readonly door: Door
  /** The caller's network address, where the door knows it. */
  readonly address: string | null
}

/** An authenticated caller within one request. */
export interface Caller extends RequestOrigin {
  readonly principal: Principal
}
