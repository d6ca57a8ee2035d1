import type { TenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { type Database, findStreamKey, lockReadsStream, lockStream } from '@agentfs/storage'
import type { KeyVault } from '../keys/key-vault.js'
import type { EngineLog } from '../ports.js'
import type { PackHint } from '../followers/pack-hint.js'
import { appendRecords, type RecordDraft } from './append-records.js'

/** Which stream a batched record goes to: an agent's reads, or the tenant's own affairs. */
export type BatchTarget = { readonly readsOf: string } | 'tenant'

interface Batch {
  readonly scope: TenantScope
  readonly target: BatchTarget
  readonly drafts: RecordDraft[]
}

/** Records that may wait in memory over all streams; beyond, what would need one is refused, not left unrecorded. */
const WAITING_MAX = 100_000
const RECORDS_PER_TRANSACTION = 500

/**
 * Reads, sign-ins and denials, written in batches within a fixed time [AUD-2]. A batch that cannot be written waits for
 * the database; one whose tenant or agent is gone is dropped with it.
 */
export class AuditBatch {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #hint: PackHint
  readonly #log: EngineLog
  readonly #delayMs: number
  readonly #batches = new Map<string, Batch>()
  #waiting = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(database: Database, vault: KeyVault, hint: PackHint, log: EngineLog, delayMs: number) {
    this.#database = database
    this.#vault = vault
    this.#hint = hint
    this.#log = log
    this.#delayMs = delayMs
  }

  /** Takes a record to be written soon. Throws `unavailable` where too many wait already. */
  add(scope: TenantScope, target: BatchTarget, draft: RecordDraft): void {
    if (this.#waiting >= WAITING_MAX) {
      throw new AgentfsError('unavailable', {
        detail: 'the audit log cannot be written now; try again',
        retryAfterSeconds: 5,
      })
    }
    const name = `${scope.tenantId}/${target === 'tenant' ? 'tenant' : target.readsOf}`
    const batch = this.#batches.get(name)
    if (batch === undefined) this.#batches.set(name, { scope, target, drafts: [draft] })
    else batch.drafts.push(draft)
    this.#waiting += 1
    this.#timer ??= setTimeout(() => void this.flush(), this.#delayMs)
  }

  /** Writes everything taken so far; after a failure it stays, for the next try. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#writeAll())
    return this.#writing
  }

  /** Writes what waits, once, and says where it could not. */
  async close(): Promise<void> {
    await this.flush()
    clearTimeout(this.#timer)
    if (this.#waiting > 0) this.#log.error('audit records were lost at shutdown', { count: this.#waiting })
  }

  async #writeAll(): Promise<void> {
    const batches = [...this.#batches]
    this.#batches.clear()
    for (const [name, batch] of batches) {
      for (let at = 0; at < batch.drafts.length; at += RECORDS_PER_TRANSACTION) {
        try {
          const drafts = batch.drafts.slice(at, at + RECORDS_PER_TRANSACTION)
          await this.#write(batch, drafts)
          this.#waiting -= drafts.length
        } catch (error) {
          this.#log.warn('audit records wait', { reason: String(error), count: batch.drafts.length - at })
          this.#keep(name, { ...batch, drafts: batch.drafts.slice(at) })
          break
        }
      }
    }
  }

  #keep(name: string, batch: Batch): void {
    const newer = this.#batches.get(name)
    this.#batches.set(name, { ...batch, drafts: [...batch.drafts, ...(newer?.drafts ?? [])] })
    this.#timer ??= setTimeout(() => void this.flush(), this.#delayMs * 4)
  }

  async #write({ scope, target }: Batch, drafts: readonly RecordDraft[]): Promise<void> {
    const readsOf = target === 'tenant' ? null : target.readsOf
    const streamId = await this.#database.withTenant(scope, async (tx) => {
      // One round trip: the key of a stream stays the same, whoever has its row.
      const [stream, keyRow] = await Promise.all([
        readsOf === null ? lockStream(tx, scope.tenantId) : lockReadsStream(tx, readsOf),
        findStreamKey(tx, readsOf),
      ])
      if (stream === undefined || keyRow === undefined) return undefined
      const [key] = (await this.#vault.unwrapIn(tx, [keyRow])).values()
      if (key === undefined) return undefined
      appendRecords(tx, stream, key, drafts)
      return stream.streamId
    })
    if (streamId !== undefined) this.#hint.hint(scope, streamId)
  }
}
