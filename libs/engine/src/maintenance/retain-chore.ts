import type { TenantScope } from '@agentfs/access'
import { RETENTION_DAYS, type RetentionSettings } from '@agentfs/contracts'
import { type RetentionCutoffs, RetentionStore } from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

const DAY_MS = 86_400_000
/** However little is to be kept: a version that was just replaced may be what a client reads now, or writes on. */
const KEPT_MS_MIN = 3_600_000
const ZERO_ID = '00000000-0000-0000-0000-000000000000'
/** What one step looks through, and what it takes at most: so much that the agent's commits do not notice. */
const BATCH = { nodesMax: 500, versionsMax: 500 }

/** Forgets versions and deleted files past retention [DUR-1]. Objects are not touched but by their counts: `compact` follows. */
export class RetainChore implements Chore {
  readonly name = 'retain'
  readonly counted = ['versionsPruned', 'partsPruned', 'releasedBytes', 'objectsDead', 'filesForgotten']
  readonly #store: RetentionStore
  readonly #ledger: KeyLedger
  readonly #nowMs: () => number

  constructor(options: FollowerOptions) {
    const { clock = SYSTEM_CLOCK } = options
    this.#store = new RetentionStore(options.database)
    this.#ledger = new KeyLedger(options)
    this.#nowMs = () => clock.now()
  }

  /** One batch of one agent's files. `resume` is the agent and the file where the step before ended. */
  async step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep> {
    const [at, afterNode] = request.resume?.split('/') ?? []
    const agent =
      request.agentId !== null
        ? await this.#store.agent(scope, request.agentId, false)
        : await this.#store.agent(scope, at ?? ZERO_ID, afterNode === undefined)
    if (agent === undefined) return { counts: {}, resume: null }
    const { agentId } = agent
    const nowMs = this.#nowMs()
    const cutoffs = cutoffsOf(agent.settings.retention ?? {}, nowMs)
    const plan = await this.#store.plan(scope, agentId, cutoffs, afterNode ?? ZERO_ID, BATCH)
    const next = request.agentId === null ? agentId : null
    const resume = plan.lastNodeId === null ? next : `${agentId}/${plan.lastNodeId}`
    if (request.dryRun) {
      const counts = {
        versionsPruned: plan.versionIds.length,
        partsPruned: plan.partIds.length,
        filesForgotten: plan.forgottenNodeIds.length,
      }
      // Of files with more than one batch of versions to lose it says "at least".
      return { counts, resume }
    }
    if (plan.versionIds.length + plan.forgottenNodeIds.length === 0) return { counts: {}, resume }
    const pruned = await this.#store.prune(scope, plan, cutoffs, new Date(nowMs))
    if (pruned.erasedKeyIds.length > 0) {
      await this.#ledger.write(scope, agentId, { keyIds: [], nodeIds: [] })
    }
    const { versions, parts, bytes, objectsDead, filesForgotten } = pruned
    const counts = {
      versionsPruned: versions,
      partsPruned: parts,
      releasedBytes: bytes,
      objectsDead,
      filesForgotten,
    }
    // The same files again, unless nothing of what was found could go: it must not be tried for ever.
    const again = plan.more && versions > 0
    return { counts, resume: again ? `${agentId}/${afterNode ?? ZERO_ID}` : resume }
  }
}

/** What is kept, as of an instant. */
function cutoffsOf(settings: RetentionSettings, nowMs: number): RetentionCutoffs {
  const {
    allDays = RETENTION_DAYS.allDays,
    dailyDays = RETENTION_DAYS.dailyDays,
    deletedDays = RETENTION_DAYS.deletedDays,
  } = settings
  const before = (days: number): Date => new Date(nowMs - Math.max(days * DAY_MS, KEPT_MS_MIN))
  return { allSince: before(allDays), dailySince: before(dailyDays), deletedSince: before(deletedDays) }
}
