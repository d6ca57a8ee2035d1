import type { TenantScope } from '@agentfs/access'
import { PackingStore } from '@agentfs/storage'
import type { FollowerOptions } from '../followers/follower-options.js'
import { Packer } from '../followers/packer.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** Stores all that waits in the database, due or not: for an operator who is about to take the database away. */
export class PackChore implements Chore {
  readonly name = 'pack'
  readonly counted = ['puts', 'storedBytes']
  readonly #staged: PackingStore
  readonly #packer: Packer

  constructor(options: FollowerOptions) {
    this.#staged = new PackingStore(options.database)
    this.#packer = new Packer(options)
  }

  /** One segment of the first stream that has any to write. */
  async step(scope: TenantScope, { agentId, dryRun, signal }: ChoreRequest): Promise<ChoreStep> {
    const [stream, ...others] = await this.#staged.stagedStreams(scope, agentId)
    if (stream === undefined) return { counts: {}, resume: null }
    if (dryRun) return { counts: { streams: 1 + others.length }, resume: null }
    const outcome = await this.#packer.packStream(scope, stream, signal)
    // Lost to another packer, or found empty: either way the next look tells what is left.
    const { puts, bytes } = outcome.kind === 'stored' ? outcome : { puts: 0, bytes: 0 }
    return { counts: { puts, storedBytes: bytes }, resume: stream }
  }
}
