import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { checkpointHash, type Checkpoint, root, signCheckpoint } from '@agentfs/audit'
import {
  type CheckpointRow,
  type Database,
  DueStreamsStore,
  findAuditKeyId,
  type GrownStream,
  grownStreams,
  insertCheckpoint,
  insertKeys,
  lastCheckpoint,
  lockCheckpoints,
  markCheckpointStored,
  setAuditKey,
  settleCheckpointed,
  unstoredCheckpoints,
} from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import { checkpointKey } from '../followers/object-keys.js'
import { TenantObjects } from '../followers/tenant-objects.js'
import { KeyVault, type NewKey, type UsableKey } from '../keys/key-vault.js'
import { signerOf } from './audit-key.js'

/** The least time between two checkpoints of a tenant: that of a segment, for each costs a PUT too. */
export const CHECKPOINT_MS_MIN = 60_000
/** Streams that one checkpoint covers at most; what is left comes with the next. */
const STREAMS_MAX = 10_000
const TENANTS_MAX = 1_000
const UNSTORED_MAX = 100

/** What a step did. */
export interface Checkpointed {
  /** The number of the new checkpoint; null where nothing grew, or the last one is too young. */
  readonly number: number | null
  /** Checkpoints that reached the object store. */
  readonly stored: number
}

/**
 * Signs, now and then, how far each log of a tenant has grown and what its root is, and puts that into the object store:
 * whoever keeps one can prove later that nothing before it was changed [AUD-3].
 */
export class Checkpointer {
  readonly #database: Database
  readonly #due: DueStreamsStore
  readonly #vault: KeyVault
  readonly #objects: TenantObjects
  readonly #ledger: KeyLedger
  readonly #nowMs: () => number

  constructor(options: FollowerOptions) {
    const { database, resources, clock = SYSTEM_CLOCK } = options
    this.#database = database
    this.#ledger = new KeyLedger(options)
    this.#due = new DueStreamsStore(database)
    this.#vault = new KeyVault(database, resources)
    this.#objects = new TenantObjects(resources)
    this.#nowMs = () => clock.now()
  }

  /** Tenants in which something grew since their last checkpoint, and waits long enough; a thousand at most. */
  async dueAcrossTenants(): Promise<TenantScope[]> {
    const before = new Date(this.#nowMs() - CHECKPOINT_MS_MIN)
    const tenants = await this.#due.uncheckpointedAcrossTenants(before, TENANTS_MAX)
    return tenants.map((tenantId) => mintTenantScope(tenantId))
  }

  /**
   * Makes the next checkpoint of a tenant where one is due, then stores those that are not yet. Any number of processes may
   * do so at once. What the object store does not take stays for the next time.
   */
  async checkpoint(scope: TenantScope, signal?: AbortSignal): Promise<Checkpointed> {
    const made = await this.#make(scope)
    const waiting = await this.#database.readTenant(scope, (tx) => unstoredCheckpoints(tx, UNSTORED_MAX))
    // The key first: a checkpoint whose key the bucket lacks would prove nothing after a recovery.
    if (waiting.length > 0) await this.#ledger.write(scope, scope.tenantId, { keyIds: [], nodeIds: [] })
    for (const { number, note } of waiting) {
      await this.#objects.create(scope, checkpointKey(scope, number), Buffer.from(note), signal)
      await this.#database.withTenant(scope, (tx) =>
        markCheckpointStored(tx, number, new Date(this.#nowMs())),
      )
    }
    return { number: made?.number ?? null, stored: waiting.length }
  }

  async #make(scope: TenantScope): Promise<CheckpointRow | undefined> {
    // Before the transaction: unwrapping may ask the KMS.
    const known = await this.#auditKey(scope)
    const spare = known === undefined ? await this.#vault.newKey(scope, 'audit') : undefined
    return this.#database.withTenant(scope, async (tx) => {
      const tenant = await lockCheckpoints(tx)
      const key = known ?? spare
      if (tenant === undefined || key === undefined) return undefined
      // Another process made the key meanwhile: the next time uses it.
      if (spare !== undefined && tenant.auditKeyId !== null) return undefined
      const [last, grown] = await Promise.all([lastCheckpoint(tx), grownStreams(tx, STREAMS_MAX)])
      const atMs = this.#nowMs()
      if (grown.length === 0 || (last !== undefined && atMs - last.at.getTime() < CHECKPOINT_MS_MIN)) {
        return undefined
      }
      if (spare !== undefined) {
        tx.later(insertKeys(tx, [spare.row], new Date(atMs)))
        tx.later(setAuditKey(tx, spare.keyId))
      }
      const row = signed(tx.tenantId, key, last, grown, atMs)
      tx.later(insertCheckpoint(tx, row))
      tx.later(settleCheckpointed(tx, grown))
      return row
    })
  }

  async #auditKey(scope: TenantScope): Promise<UsableKey | NewKey | undefined> {
    return this.#database.withTenant(scope, async (tx) => {
      const keyId = await findAuditKeyId(tx)
      return keyId === null ? undefined : (await this.#vault.load(tx, [keyId])).get(keyId)
    })
  }
}

function signed(
  tenantId: string,
  key: UsableKey,
  last: CheckpointRow | undefined,
  grown: readonly GrownStream[],
  atMs: number,
): CheckpointRow {
  const at = new Date(atMs)
  const checkpoint: Checkpoint = {
    tenant: tenantId,
    number: (last?.number ?? 0) + 1,
    at: at.toISOString(),
    previous: last?.hash ?? null,
    streams: grown.map(({ streamId, epoch, merkleSize, merkleRange }) => ({
      stream: streamId,
      epoch,
      size: merkleSize,
      root: root({ size: merkleSize, range: merkleRange }).toString('hex'),
    })),
  }
  const note = signCheckpoint(checkpoint, signerOf(tenantId, key))
  return { number: checkpoint.number, at, note, hash: checkpointHash(checkpoint) }
}
