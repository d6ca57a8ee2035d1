import type { TenantScope } from '@agentfs/access'
import { findKeys, findParts, type KeyRow, type PartRow, type TenantTransaction } from '@agentfs/storage'
import { RecentMap } from './recent-map.js'

/** What the last read of a path found. A guess alone: whoever uses it looks first whether the same version is the head still. */
export interface ReadGuess {
  readonly versionId: string
  readonly partIds: readonly string[]
  readonly keyIds: readonly string[]
}

/** Rows that were asked for ahead. */
export interface RowsAhead {
  readonly parts: readonly PartRow[]
  readonly keys: readonly KeyRow[]
}

const GUESSES_MAX = 10_000
/** Parts of a file beyond which a guess is not worth its query. */
const PARTS_MAX = 16
const STAGED_BYTES_MAX = 16 * 1024 ** 2
const STAGED_PART_BYTES_MAX = 64 * 1024

/**
 * Lets a read ask for parts and keys beside the path, in one round trip, by guessing that the path still has the version it had
 * at the last read. Keys are read each time, for one that was erased must open nothing [ENC-3]; sealed bytes of small parts
 * that came from rows are kept, for ciphertext never changes under its id.
 */
export class ReadAhead {
  readonly #guesses = new RecentMap<ReadGuess>(GUESSES_MAX)
  readonly #staged = new RecentMap<PartRow>(STAGED_BYTES_MAX, ({ sealedLength }) => sealedLength)

  guess(scope: TenantScope, agentId: string, path: string): ReadGuess | undefined {
    return this.#guesses.get(nameOf(scope, agentId, path))
  }

  /** Notes what a read found. */
  remember(scope: TenantScope, agentId: string, path: string, guess: ReadGuess): void {
    if (guess.partIds.length <= PARTS_MAX) this.#guesses.set(nameOf(scope, agentId, path), guess)
  }

  /** Sends the queries at once, as a read transaction wants them. */
  async look(tx: TenantTransaction, agentId: string, { partIds, keyIds }: ReadGuess): Promise<RowsAhead> {
    const kept = partIds.flatMap((partId) => this.#staged.get(nameOf(tx.scope, agentId, partId)) ?? [])
    const missing = partIds.filter((id) => !kept.some(({ partId }) => partId === id))
    const [rows, keys] = await Promise.all([
      missing.length === 0 ? [] : findParts(tx, agentId, missing),
      findKeys(tx, keyIds),
    ])
    for (const row of rows) {
      // A place in the object store may move; only bytes that are at hand are kept.
      if (row.sealed !== null && row.sealedLength <= STAGED_PART_BYTES_MAX)
        this.#staged.set(nameOf(tx.scope, agentId, row.partId), row)
    }
    return { parts: [...kept, ...rows], keys }
  }
}

function nameOf({ tenantId }: TenantScope, agentId: string, what: string): string {
  return `${tenantId}/${agentId}/${what}`
}
