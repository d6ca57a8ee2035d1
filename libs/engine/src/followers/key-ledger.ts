import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import {
  KeyLedgerStore,
  type KeyLedgerRows,
  type NewObject,
  ObjectRowsStore,
  type WantedKeys,
} from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from './follower-options.js'
import { encodeKeyLedger } from './key-ledger-format.js'
import { ledgerKey } from './object-keys.js'
import { TenantObjects } from './tenant-objects.js'

const ZERO_ID = '00000000-0000-0000-0000-000000000000'

/** When a ledger is rewritten, and into what. */
const REWRITING = {
  /** Small pieces of one stream's ledger from which on they are rewritten. */
  objectsMax: 32,
  smallBytes: 1024 * 1024,
  /** Keys and tombstones of a piece at most: some 6 MiB, which are in memory at once. */
  keysMax: 20_000,
}

/** A ledger object about to be written: its row first, then the PUT, then `finish`. */
export interface LedgerPiece {
  readonly object: NewObject
  readonly body: Buffer
  readonly rows: KeyLedgerRows
  readonly supersedes: readonly string[]
}

/** The copy of the wrapped keys in the object store, always generated from the key rows. */
export class KeyLedger {
  readonly #rows: KeyLedgerStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #now: () => Date

  constructor({ database, resources, clock = SYSTEM_CLOCK }: FollowerOptions) {
    this.#rows = new KeyLedgerStore(database)
    this.#objectRows = new ObjectRowsStore(database)
    this.#objects = new TenantObjects(resources)
    this.#now = () => new Date(clock.now())
  }

  /** A piece with what the ledger lacks of these keys, of the tenant's own, of KEKs and of tombstones; or nothing to write. */
  async missingPiece(
    scope: TenantScope,
    streamId: string,
    wanted: WantedKeys,
  ): Promise<LedgerPiece | undefined> {
    const rows = await this.#rows.unledgered(scope, wanted)
    if (rows.keks.length + rows.keys.length + rows.tombstones.length === 0) return undefined
    return newPiece(scope, streamId, rows, [])
  }

  /** PUTs a piece whose row is committed. */
  async put(scope: TenantScope, piece: LedgerPiece, signal?: AbortSignal): Promise<void> {
    await this.#objects.create(scope, piece.object.objectKey, piece.body, signal)
  }

  /** Records that a piece is in the store; false where it was given up meanwhile. */
  async finish(scope: TenantScope, { object, body, rows, supersedes }: LedgerPiece): Promise<boolean> {
    const checksum = createHash('sha256').update(body).digest()
    const stored = { objectId: object.objectId, size: body.length, checksum, rows, supersedes }
    return this.#rows.markLedgered(scope, stored, this.#now())
  }

  /** Writes what the ledger lacks of some keys, and every tombstone; true where the ledger has them all then. */
  async write(
    scope: TenantScope,
    streamId: string,
    wanted: WantedKeys,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const piece = await this.missingPiece(scope, streamId, wanted)
    return piece === undefined || (await this.#store(scope, piece, signal))
  }

  /**
   * Rewrites what is in many pieces, or holds keys that were erased or wrapped anew since, into as few as may be for each
   * stream; what that supersedes is dead, and deleted after the grace time. Returns how many streams' were rewritten.
   */
  async rewrite(scope: TenantScope, rewriting: Partial<typeof REWRITING> = {}): Promise<number> {
    const limits = { ...REWRITING, ...rewriting }
    const streams = await this.#rows.fragmented(scope, limits)
    for (const { streamId, agentId } of streams) {
      await this.#rewriteOne(scope, streamId, agentId, limits.keysMax)
    }
    return streams.length
  }

  /** Piece after piece; the last one supersedes what was there before, once all of it stands again. */
  async #rewriteOne(
    scope: TenantScope,
    streamId: string,
    agentId: string | null,
    keysMax: number,
  ): Promise<void> {
    const supersedes = await this.#rows.pieces(scope, streamId)
    let keks = await this.#rows.keks(scope)
    for (let [afterKey, afterTombstone] = [ZERO_ID, ZERO_ID]; ;) {
      const keys = await this.#rows.keysAfter(scope, agentId, afterKey, keysMax)
      const room = keysMax - keys.length
      const tombstones = room === 0 ? [] : await this.#rows.tombstonesAfter(scope, afterTombstone, room)
      const done = tombstones.length < room
      const piece = newPiece(scope, streamId, { keks, keys, tombstones }, done ? supersedes : [])
      // One that was given up, or holds a key that was erased since: the next round begins anew.
      if (!(await this.#store(scope, piece)) || done) return
      afterKey = keys.at(-1)?.keyId ?? afterKey
      afterTombstone = tombstones.at(-1)?.keyId ?? afterTombstone
      keks = []
    }
  }

  async #store(scope: TenantScope, piece: LedgerPiece, signal?: AbortSignal): Promise<boolean> {
    await this.#objectRows.insertWriting(scope, [piece.object], this.#now())
    try {
      await this.put(scope, piece, signal)
    } catch (error) {
      await this.#objectRows.giveUp(scope, [piece.object.objectId], this.#now())
      throw error
    }
    return this.finish(scope, piece)
  }
}

function newPiece(
  scope: TenantScope,
  streamId: string,
  rows: KeyLedgerRows,
  supersedes: readonly string[],
): LedgerPiece {
  const objectId = uuidv7()
  const objectKey = ledgerKey(scope, objectId)
  const object = { objectId, streamId, kind: 'keys', objectKey, epoch: 0, firstSeq: 0, lastSeq: 0 } as const
  return { object, body: encodeKeyLedger(scope.tenantId, rows), rows, supersedes }
}
