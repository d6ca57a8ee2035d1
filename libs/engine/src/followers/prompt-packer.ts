import type { TenantScope } from '@agentfs/access'
import type { StreamPosition } from '@agentfs/storage'
import type { PackOutcome, Packer } from './packer.js'

/** Streams packed at once; each holds a segment in memory. Further flushes wait for a worker. */
const LANES = 4

/**
 * Packs at once what a flush waits for, in the process that was asked: the way over the job queue would cost as much as the
 * object store does. A packer needs no key and may run twice at once, so a worker that is at the same stream does no harm.
 */
export class PromptPacker {
  readonly #packer: Packer
  readonly #onPacked: (outcome: PackOutcome) => void
  /** By tenant and stream: flushes of one stream share one step. */
  readonly #underWay = new Map<string, Promise<PackOutcome>>()

  constructor(packer: Packer, onPacked: (outcome: PackOutcome) => void = () => undefined) {
    this.#packer = packer
    this.#onPacked = onPacked
  }

  /**
   * Packs a stream until it is stored through a position. False where that is not for this process to say: all lanes are
   * taken, another packer was first, or the position's epoch is over. Throws what the packer throws.
   */
  async storeThrough(scope: TenantScope, streamId: string, wanted: StreamPosition): Promise<boolean> {
    const name = `${scope.tenantId}/${streamId}`
    for (;;) {
      const joined = this.#underWay.get(name)
      if (joined === undefined && this.#underWay.size >= LANES) return false
      const outcome = await (joined ?? this.#step(name, scope, streamId))
      // What another flush began may have looked before our commits were there.
      if (outcome.kind !== 'stored') {
        if (joined === undefined) return outcome.kind === 'idle'
        continue
      }
      const { through } = outcome
      // Of an epoch that is over nothing more is stored: what is wanted is so already, or lost.
      if (through.epoch !== wanted.epoch) return false
      if (through.seq >= wanted.seq) return true
    }
  }

  #step(name: string, scope: TenantScope, streamId: string): Promise<PackOutcome> {
    const step = this.#packer
      .packStream(scope, streamId)
      .then((outcome) => {
        this.#onPacked(outcome)
        return outcome
      })
      .finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, step)
    return step
  }
}
