import { AgentfsError, type MirrorRequest, type MirrorStatus } from '@agentfs/contracts'
import {
  type AgentRow,
  countMirrorDocuments,
  type Database,
  distrustMirrorDocuments,
  findMirror,
  lockAgent,
  type MirrorRow,
  oldestUnmirrored,
  setMirror,
} from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { MirrorsApi } from '../api/mirrors-api.js'
import type { Caller } from '../caller.js'
import type { Clock } from '../ports.js'
import type { Administration } from '../streams/administration.js'
import { type MirrorTargets, OWN_STORE } from './mirror-targets.js'

/** What it works with. */
export interface MirrorSettingsTools {
  readonly database: Database
  readonly gate: AgentGate
  readonly administration: Administration
  readonly targets: MirrorTargets
  readonly clock: Clock
}

/** Switches mirrors and tells how they stand; the follower does the rest. */
export class MirrorSettings implements MirrorsApi {
  readonly #tools: MirrorSettingsTools

  constructor(tools: MirrorSettingsTools) {
    this.#tools = tools
  }

  async status(caller: Caller, agent: string): Promise<MirrorStatus> {
    const standing = await this.#tools.gate.enter(caller, agent, 'manage')
    return this.#status(caller, standing)
  }

  async set(caller: Caller, agent: string, request: MirrorRequest): Promise<MirrorStatus> {
    const { database, gate, targets, administration, clock } = this.#tools
    const standing = await gate.enter(caller, agent, 'manage')
    const { agentId, name } = standing
    const { scope } = caller.principal
    const target = request.target ?? OWN_STORE
    if (request.enabled) {
      assertAccepted(request)
      await targets.resolve(scope, agentId, target)
    }
    await database.withTenant(scope, async (tx) => {
      await lockAgent(tx, agentId)
      const mirror = await findMirror(tx, agentId)
      const documents = mirror === undefined ? 0 : await countMirrorDocuments(tx, agentId)
      const next = nextState(mirror, request, target, documents)
      if (next === undefined) return
      const at = new Date(clock.now())
      await setMirror(tx, agentId, next, at)
      if (request.rebuild === true) await distrustMirrorDocuments(tx, agentId)
      const details = {
        agent: agentId,
        name,
        mirror:
          next.state === 'on' ? 'on, in plaintext' : next.state === 'off' ? 'off, documents kept' : 'off',
        target: next.target === OWN_STORE ? 'own store' : next.target,
      }
      await administration.record(tx, caller, { action: 'agent.mirror', details }, {}, agentId)
    })
    return this.#status(caller, standing)
  }

  async #status(caller: Caller, { agentId, headSeq }: AgentRow): Promise<MirrorStatus> {
    const { database, targets, clock } = this.#tools
    const { scope } = caller.principal
    const found = await database.withTenant(scope, async (tx) => {
      const mirror = await findMirror(tx, agentId)
      if (mirror === undefined) return undefined
      const oldest = mirror.state === 'off' ? null : await oldestUnmirrored(tx, mirror)
      return { mirror, oldest, documents: await countMirrorDocuments(tx, agentId) }
    })
    if (found === undefined || found.mirror.state === 'off') {
      const documents = found?.documents ?? 0
      const head = found?.mirror.headSeq ?? headSeq
      return { state: 'off', target: null, location: null, seq: null, head, lagSeconds: 0, documents }
    }
    const { mirror, oldest, documents } = found
    const { store, prefix } = await targets.resolve(scope, agentId, mirror.target)
    const following = mirror.state === 'on' && mirror.cursorEpoch === mirror.headEpoch
    return {
      state: mirror.state === 'removing' ? 'removing' : following ? 'following' : 'filling',
      target: mirror.target === OWN_STORE ? null : mirror.target,
      // The key alone in a shared store: where the service keeps it is the operator's affair.
      location: mirror.target === OWN_STORE ? prefix : `${store.describe().location}/${prefix}`,
      seq: following ? mirror.cursorSeq : null,
      head: mirror.headSeq,
      lagSeconds: oldest === null ? 0 : Math.max(0, clock.now() - oldest.getTime()) / 1_000,
      documents,
    }
  }
}

function assertAccepted({ acceptPlaintext }: MirrorRequest): void {
  if (acceptPlaintext === true) return
  throw new AgentfsError('invalid_request', {
    detail:
      'a mirror holds every file of the agent in plaintext, for anyone who may read its bucket; ' +
      'set acceptPlaintext to true if that is what you want',
  })
}

/** What to switch to; undefined where the mirror is so already. */
function nextState(
  mirror: MirrorRow | undefined,
  request: MirrorRequest,
  target: string,
  documents: number,
): Pick<MirrorRow, 'state' | 'target'> | undefined {
  if (!request.enabled) {
    if (mirror === undefined) return undefined
    if (request.keepDocuments === true)
      return mirror.state === 'off' ? undefined : { state: 'off', target: mirror.target }
    if (mirror.state === 'removing' || (mirror.state === 'off' && documents === 0)) return undefined
    return { state: 'removing', target: mirror.target }
  }
  if (mirror !== undefined && documents > 0 && mirror.target !== target) {
    throw new AgentfsError('invalid_request', {
      detail:
        'the mirror has documents in another target; switch it off first, without keepDocuments, and wait until it is off',
    })
  }
  if (mirror?.state === 'on' && mirror.target === target && request.rebuild !== true) return undefined
  return { state: 'on', target }
}
