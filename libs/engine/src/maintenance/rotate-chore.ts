import type { TenantScope } from '@agentfs/access'
import type { FollowerOptions } from '../followers/follower-options.js'
import { KeyRotation } from '../keys/key-rotation.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'

/** Where a rotation goes on once its first step is done. */
const REWRAP = 'rewrap'

/** Wraps what an older KEK wraps under the current one, batch by batch, then rewrites the ledger: the rest of every rotation. */
export class RewrapChore implements Chore {
  readonly name: string = 'rewrap-keys'
  readonly counted: readonly string[] = ['keys', 'ledgersRewritten', 'keksRetired']
  protected readonly rotation: KeyRotation

  constructor(options: FollowerOptions) {
    this.rotation = new KeyRotation(options)
  }

  async step(scope: TenantScope, { dryRun }: ChoreRequest): Promise<ChoreStep> {
    if (dryRun) return { counts: { keys: (await this.rotation.state(scope)).keysLeft }, resume: null }
    const keys = await this.rotation.rewrapSome(scope)
    if (keys > 0) return { counts: { keys }, resume: REWRAP }
    return { counts: { ...(await this.rotation.finish(scope)) }, resume: null }
  }
}

/** Gives each tenant a new KEK, then wraps all its keys under it [ENC-4]. */
export class RotateChore extends RewrapChore {
  override readonly name = 'rotate-keys'
  override readonly counted = ['keks', 'keys', 'ledgersRewritten', 'keksRetired']

  override async step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep> {
    if (request.dryRun)
      return { counts: { keks: 1, keys: await this.rotation.keysToRotate(scope) }, resume: null }
    if (request.resume !== null) return super.step(scope, request)
    await this.rotation.addKek(scope)
    return { counts: { keks: 1 }, resume: REWRAP }
  }
}

/** Has the KMS wrap every KEK under its newest root key, then rewrites the ledger [ENC-4]. */
export class RotateRootChore implements Chore {
  readonly name = 'rotate-root'
  readonly counted = ['keks', 'ledgersRewritten', 'keksRetired']
  readonly #rotation: KeyRotation

  constructor(options: FollowerOptions) {
    this.#rotation = new KeyRotation(options)
  }

  async step(scope: TenantScope, { dryRun }: ChoreRequest): Promise<ChoreStep> {
    if (dryRun) return { counts: { tenantsToRewrap: 1 }, resume: null }
    const keks = await this.#rotation.rewrapKeks(scope)
    return { counts: { keks, ...(await this.#rotation.finish(scope)) }, resume: null }
  }
}
