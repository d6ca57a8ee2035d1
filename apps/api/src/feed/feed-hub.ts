import type { AgentAddress, StreamHead, SyncApi } from '@agentfs/engine'
import type { Logger } from 'pino'
import type { ApiMetrics } from '../metrics/metrics.js'
import type { AnnouncementBus } from './announcement-bus.js'
import { type FeedConnection, isRefusal } from './feed-connection.js'

/** How often feeds hear the head, and how often their credentials are asked after. */
export interface FeedPace {
  readonly heartbeatMs: number
  readonly credentialMs: number
  /** How often it is asked whether the agent is still there for them. */
  readonly agentMs: number
}

/** A heartbeat a second [SY-3]; a revocation is seen within one [ACL-3]. */
export const FEED_PACE: FeedPace = { heartbeatMs: 1_000, credentialMs: 150, agentMs: 2_000 }

/** All feeds of this process: wakes them, beats for them with one query, and ends those whose credential is gone. */
export class FeedHub {
  readonly #sync: SyncApi
  readonly #log: Logger
  readonly #metrics: ApiMetrics
  readonly #feeds = new Map<string, Set<FeedConnection>>()
  readonly #stops: (() => void)[] = []

  constructor(parts: {
    sync: SyncApi
    bus: AnnouncementBus
    log: Logger
    metrics: ApiMetrics
    pace?: FeedPace
  }) {
    const pace = parts.pace ?? FEED_PACE
    this.#sync = parts.sync
    this.#log = parts.log
    this.#metrics = parts.metrics
    this.#stops.push(
      parts.bus.subscribe(({ tenantId, agentId, epoch, seq }) => {
        for (const feed of this.#feeds.get(keyOf({ tenantId, agentId })) ?? []) feed.announced(epoch, seq)
      }),
      every(pace.heartbeatMs, () => this.#beat()),
      every(pace.credentialMs, () => this.#checkCredentials()),
      every(pace.agentMs, () => this.#checkAgents()),
    )
  }

  /** Takes a feed in; the function it gives back takes it out. */
  add(feed: FeedConnection): () => void {
    const key = keyOf(feed.address)
    const feeds = this.#feeds.get(key) ?? new Set()
    this.#feeds.set(key, feeds.add(feed))
    this.#metrics.feedsOpen(this.#count())
    return () => {
      feeds.delete(feed)
      if (feeds.size === 0 && this.#feeds.get(key) === feeds) this.#feeds.delete(key)
      this.#metrics.feedsOpen(this.#count())
    }
  }

  /** Stops beating. */
  close(): void {
    for (const stop of this.#stops) stop()
  }

  /** Without an answer of the primary there is no heartbeat: three missed ones tell the client that we are unwell. */
  async #beat(): Promise<void> {
    const all = this.#all()
    if (all.length === 0) return
    const addresses = new Map<string, AgentAddress>(all.map((feed) => [keyOf(feed.address), feed.address]))
    let heads: ReadonlyMap<string, StreamHead>
    try {
      heads = await this.#sync.heads([...addresses.values()])
    } catch (error) {
      this.#log.warn({ err: error }, 'no heads for the heartbeat')
      return
    }
    for (const feed of all) {
      const head = heads.get(keyOf(feed.address))
      if (head === undefined) feed.revoke('not_found')
      else feed.heartbeat(head)
    }
  }

  /** Asks once for each credential, however many feeds run on it. */
  async #checkCredentials(): Promise<void> {
    const byCredential = Map.groupBy(this.#all(), (feed) => {
      const { principal, address } = feed.credential.caller
      return [principal.scope.tenantId, principal.keyId, principal.actor.id, address].join('/')
    })
    await Promise.all([...byCredential.values()].map((feeds) => this.#checkCredential(feeds)))
  }

  async #checkCredential(feeds: readonly FeedConnection[]): Promise<void> {
    const now = Date.now()
    for (const feed of feeds) {
      const { expiresAtMs } = feed.credential
      if (expiresAtMs !== null && expiresAtMs <= now) feed.revoke('token_expired')
    }
    const caller = feeds[0]?.credential.caller
    if (caller === undefined) return
    try {
      await this.#sync.stillHolds(caller.principal, caller.address)
    } catch (error) {
      // Where it cannot be asked the feed goes on; the heartbeat, which asks too, tells that we are unwell.
      if (!isRefusal(error)) return
      for (const feed of feeds) feed.revoke(error.code)
    }
  }

  /** A deleted agent's stream goes on being there, so the heartbeat does not tell. */
  async #checkAgents(): Promise<void> {
    for (const feed of this.#all()) {
      const { caller } = feed.credential
      try {
        await this.#sync.openFeed(caller, feed.address.agentId, feed.position)
      } catch (error) {
        if (isRefusal(error)) feed.revoke(error.code)
      }
    }
  }

  #all(): FeedConnection[] {
    return [...this.#feeds.values()].flatMap((feeds) => [...feeds])
  }

  #count(): number {
    return this.#all().length
  }
}

function keyOf({ tenantId, agentId }: AgentAddress): string {
  return `${tenantId}/${agentId}`
}

/** Runs work at a pace, never two at a time; a run that is late makes the next one start late. */
function every(ms: number, work: () => Promise<void>): () => void {
  let running = false
  const timer = setInterval(() => {
    if (running) return
    running = true
    work()
      .finally(() => (running = false))
      .catch(() => undefined)
  }, ms)
  timer.unref()
  return () => clearInterval(timer)
}
