import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { isUuid } from '@agentfs/contracts'
import {
  type Database,
  databaseIdentity,
  lastStoredAcrossTenants,
  newestSegmentId,
  type StreamOfTenant,
  unknownObjects,
} from '@agentfs/storage'
import { segmentKey } from '../followers/object-keys.js'
import type { TenantResources } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'

/** Clocks of several workers may differ by so much: ids of segments are times. */
const SKEW_MS = 300_000
/** Streams that are looked at when a service starts: a listing each. */
const STREAMS_MAX = 1_000
const LISTED_AT_ONCE = 16
/** Streams, by tenant and id, that are known to be sound, and when they were looked at. */
const KNOWN_MAX = 10_000
/** A client may claim what it likes: each stream is listed once in so long for it. */
const CLAIM_MS = 10_000

/** Told where a stream of the bucket has what no row knows. */
export type OnAhead = (scope: TenantScope, streamId: string) => void

/**
 * Tells by the bucket itself that a database is older than it: the row of a segment is committed before its PUT, so a segment
 * that stands in the bucket and has no row was written by the service on a database that went further. Each look is one
 * listing of a stream, from its newest known segment on.
 */
export class BucketAhead {
  readonly #database: Database
  readonly #resources: TenantResources
  readonly #onAhead: OnAhead
  #server: string | undefined
  #soundSinceMs = new RecentMap<number>(KNOWN_MAX)
  readonly #looking = new Map<string, Promise<boolean>>()

  constructor(options: {
    readonly database: Database
    readonly resources: TenantResources
    readonly onAhead?: OnAhead
  }) {
    this.#database = options.database
    this.#resources = options.resources
    this.#onAhead = options.onAhead ?? (() => undefined)
  }

  /** Looks at the streams of which something was stored last, for a start; true where the bucket is ahead in any. */
  async anywhere(): Promise<boolean> {
    const streams = await lastStoredAcrossTenants(this.#database, STREAMS_MAX)
    for (let from = 0; from < streams.length; from += LISTED_AT_ONCE) {
      const some = streams.slice(from, from + LISTED_AT_ONCE)
      const ahead = await Promise.all(
        some.map((stream) => this.isAhead(mintTenantScope(stream.tenantId), stream)),
      )
      if (ahead.includes(true)) return true
    }
    return false
  }

  /** For what a client says of an agent's stream, that it has seen commits which the database has not. */
  async claimed(scope: TenantScope, agentId: string): Promise<boolean> {
    return this.isAhead(scope, { streamId: agentId, agentId }, CLAIM_MS)
  }

  /** Forgets which streams were found sound: the database may be another one. */
  forget(): void {
    this.#soundSinceMs = new RecentMap<number>(KNOWN_MAX)
  }

  /**
   * True, and said to `onAhead`, where the bucket has a segment of the stream that no row knows. A stream that was found sound
   * less than `believeMs` ago is not looked at again.
   */
  async isAhead(
    scope: TenantScope,
    stream: Pick<StreamOfTenant, 'streamId' | 'agentId'>,
    believeMs = 0,
  ): Promise<boolean> {
    const { streamId } = stream
    const name = `${scope.tenantId}/${streamId}`
    if (believeMs > 0) await this.#noticeServer(scope)
    const soundSinceMs = this.#soundSinceMs.get(name)
    if (soundSinceMs !== undefined && performance.now() - soundSinceMs < believeMs) return false
    const looking = this.#looking.get(name) ?? this.#look(scope, stream)
    this.#looking.set(name, looking)
    try {
      const ahead = await looking
      if (ahead) this.#onAhead(scope, streamId)
      else this.#soundSinceMs.set(name, performance.now())
      return ahead
    } finally {
      this.#looking.delete(name)
    }
  }

  /** Another server in the database's place may lack what the one before had: nothing is known of it. */
  async #noticeServer(scope: TenantScope): Promise<void> {
    const server = await this.#database.withTenant(scope, (tx) => databaseIdentity(tx))
    if (this.#server !== undefined && this.#server !== server) this.forget()
    this.#server = server
  }

  async #look(
    scope: TenantScope,
    { streamId, agentId }: Pick<StreamOfTenant, 'streamId' | 'agentId'>,
  ): Promise<boolean> {
    const newest = await this.#database.withTenant(scope, (tx) => newestSegmentId(tx, streamId))
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const folder = objectPrefix + segmentKey(scope, agentId, '')
    const from = newest === undefined ? undefined : folder + earlier(newest)
    const found: string[] = []
    for await (const { key } of objectStore.list(folder, from)) {
      const id = key.slice(folder.length)
      if (isUuid(id)) found.push(id)
    }
    if (found.length === 0) return false
    // Rows are read after the listing: what others store meanwhile has its row by then.
    return (await this.#database.withTenant(scope, (tx) => unknownObjects(tx, found))).length > 0
  }
}

/** The first id of a time that lies a little before that of another one. */
function earlier(id: string): string {
  const atMs = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
  const time = Math.max(0, atMs - SKEW_MS)
    .toString(16)
    .padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`
}
