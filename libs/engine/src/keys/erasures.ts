import type { TenantScope } from '@agentfs/access'
import type { Erasure } from '@agentfs/contracts'
import { type ErasedKeys, PackingStore } from '@agentfs/storage'
import type { FollowerOptions } from '../followers/follower-options.js'
import { KeyLedger } from '../followers/key-ledger.js'
import type { PackHint } from '../followers/pack-hint.js'
import type { EngineLog } from '../ports.js'

/** How long an erasure waits for the object store before it answers that the tombstones follow. */
const LEDGER_MS_MAX = 10_000

/**
 * The second half of an erasure [ENC-3]. Its first half, tombstones and emptied key rows in Postgres, is committed: nothing
 * opens any more. Here the tombstones go to the key ledger, so that no recovery from the bucket brings a key back.
 *
 * Where the object store is down the erasure stands all the same, and says so: to refuse it instead would leave contents
 * readable that somebody wants gone, and refusing after the commit would tell a falsehood. What erased the keys also wrote a
 * record, and a record is stored only with every tombstone of its time: the packer finishes.
 */
export class Erasures {
  readonly #ledger: KeyLedger
  readonly #packing: PackingStore
  readonly #hint: PackHint
  readonly #log: EngineLog

  constructor(options: FollowerOptions & { readonly packHint: PackHint; readonly log: EngineLog }) {
    this.#ledger = new KeyLedger(options)
    this.#packing = new PackingStore(options.database)
    this.#hint = options.packHint
    this.#log = options.log
  }

  /** Puts the tombstones of an erasure into the ledger; `streamId` is the stream that has its record. */
  async finish(scope: TenantScope, streamId: string, { erased, kept }: ErasedKeys): Promise<Erasure> {
    const counts = { keys: erased.length, keysShared: kept.length }
    if (erased.length === 0) return { ...counts, ledger: 'stored' }
    return this.#write(scope, streamId, counts)
  }

  /** Puts the tombstone of a whole tenant, which had that many keys, into the ledger; its own stream is due until then. */
  finishTenant(scope: TenantScope, keys: number): Promise<Erasure> {
    return this.#write(scope, scope.tenantId, { keys, keysShared: 0 })
  }

  async #write(scope: TenantScope, streamId: string, counts: Omit<Erasure, 'ledger'>): Promise<Erasure> {
    const stored = await this.#ledger
      .write(scope, streamId, { keyIds: [], nodeIds: [] }, AbortSignal.timeout(LEDGER_MS_MAX))
      .catch((error: unknown) => {
        this.#log.warn('tombstones wait for the object store', { reason: String(error) })
        return false
      })
    if (stored) return { ...counts, ledger: 'stored' }
    await this.#packing.requestFlush(scope, [streamId])
    this.#hint.hint(scope, streamId)
    return { ...counts, ledger: 'pending' }
  }
}
