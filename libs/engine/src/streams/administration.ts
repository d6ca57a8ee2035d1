import { AgentfsError, type Change, type TenantDelta } from '@agentfs/contracts'
import { lockStream, type TenantTransaction } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import { appendRecords } from './append-records.js'
import { sealTenantDelta } from './tenant-state.js'
import type { AuditBatch, BatchTarget } from './audit-batch.js'
import type { RecordAuthor } from './record-author.js'

/** A change without its place. */
export type ChangeDraft = Omit<Change, 'index'>

/** Writes what people and keys do to the tenant's stream, and notes what is only batched. */
export class Administration {
  readonly #vault: KeyVault
  readonly #authors: RecordAuthor
  readonly #batch: AuditBatch
  readonly #clock: Clock

  constructor(vault: KeyVault, authors: RecordAuthor, batch: AuditBatch, clock: Clock) {
    this.#vault = vault
    this.#authors = authors
    this.#batch = batch
    this.#clock = clock
  }

  /**
   * Appends a record to the tenant's stream in the transaction of the mutation it is about, with the rows that this changed
   * as they are now. Take all other locks first: streams come last.
   */
  async record(
    tx: TenantTransaction,
    caller: Caller,
    change: ChangeDraft,
    delta: TenantDelta,
    agentId: string | null = null,
  ): Promise<void> {
    const author = await this.#authors.draft(caller)
    const stream = await lockStream(tx, tx.tenantId)
    const keys = stream === undefined ? undefined : await this.#vault.load(tx, [stream.keyId])
    const key = stream === undefined ? undefined : keys?.get(stream.keyId)
    if (stream === undefined || key === undefined) {
      throw new AgentfsError('not_found', { detail: 'the tenant is gone' })
    }
    const at = new Date(this.#clock.now()).toISOString()
    const record = {
      at,
      ...author.record,
      outcome: 'allowed' as const,
      changes: [{ index: 0, ...change }],
      state: sealTenantDelta(tx.tenantId, key, delta),
    }
    appendRecords(tx, stream, key, [{ record, agentId, addressSealed: author.addressSealed }])
  }

  /** Notes something to be written within a second: a read, a sign-in, a denial. */
  async note(
    caller: Caller,
    target: BatchTarget,
    changes: readonly ChangeDraft[],
    outcome: 'allowed' | 'denied' | 'failed' = 'allowed',
    agentId: string | null = null,
  ): Promise<void> {
    const author = await this.#authors.draft(caller)
    const at = new Date(this.#clock.now()).toISOString()
    const numbered = changes.map((change, index) => ({ index, ...change }))
    const record = { at, ...author.record, outcome, changes: numbered }
    this.#batch.add(caller.principal.scope, target, {
      record,
      agentId,
      addressSealed: author.addressSealed,
    })
  }
}
