import type { MirrorRequest, MirrorStatus } from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** Open mirrors of agents; `agent` is an id or a name. Both are for those who may manage the whole home. */
export interface MirrorsApi {
  status(caller: Caller, agent: string): Promise<MirrorStatus>
  /** Switches it; `invalid_request` without the consent to plaintext, and for a target that is not there. */
  set(caller: Caller, agent: string, request: MirrorRequest): Promise<MirrorStatus>
}
