import { AgentfsError, type FeedFrame } from '@agentfs/contracts'
import { AgentfsClient, type AgentHandle, type ConnectionOptions } from '@agentfs/sdk'
import type { Invalidation, RejectedItem, StoreStatus } from '../store/store-types.js'
import type { AsyncStore } from './async-store.js'
import { backoffMs, pause } from './backoff.js'
import { isHealthy, nextState, type EngineEvent, type EngineState } from './engine-state.js'
import { classifyFailure, type Failure } from './failures.js'
import { Feed } from './feed.js'
import { Fetcher } from './fetcher.js'
import { Follower } from './follower.js'
import { Pusher } from './pusher.js'
import { TokenSource } from './token-source.js'
import { Transport } from './transport.js'

const QUIET_MS = 10
const QUIET_MAX_MS = 150
/** How long the service may take to store what the cache waits for. */
const STORE_SOON_MS = 30_000
/** How long pushing rests after a token was refused whose key was not. */
const REFUSED_PAUSE_MS = 1_000

/** What an engine tells the mount above it. */
export interface EngineListener {
  /** The kernel must forget these. */
  onInvalidate(invalidations: readonly Invalidation[]): void
  /** The engine's state changed; `healthy` is whether the kernel may believe what it was told for long [VIS-4]. */
  onState(state: EngineState, healthy: boolean): void
  /** Rows of a snapshot that have arrived. */
  onProgress(rows: number): void
  /** The service refused operations; they are kept in the rejected area [DUR-5]. */
  onRejected(items: readonly RejectedItem[]): void
}

/** What an engine works with. */
export interface SyncEngineOptions {
  readonly store: AsyncStore
  /** The service, with the long-lived key (or an access token) as `token`. */
  readonly connection: ConnectionOptions & { readonly token: string }
  /** The agent's id. */
  readonly agent: string
  readonly listener: EngineListener
  /** A certificate authority to trust for the feed, PEM. */
  readonly ca?: string
  readonly random?: () => number
}

/** Keeps a client store and the service in step: follows the stream, pushes the journal, fetches contents. */
export class SyncEngine {
  readonly #store: AsyncStore
  readonly #handle: AgentHandle
  readonly #tokens: TokenSource | undefined
  readonly #listener: EngineListener
  readonly #follower: Follower
  readonly #pusher: Pusher
  readonly #fetcher: Fetcher
  readonly #random: () => number
  readonly #ca: string | undefined
  readonly #transport: Transport
  readonly #stop = new AbortController()
  readonly #unlisten: () => void
  #state: EngineState = { kind: 'starting' }
  #feed: Feed | undefined
  #renewal: NodeJS.Timeout | undefined
  #following: Promise<void> | undefined
  #storing: Promise<void> | undefined
  /** More came that is to be stored since that began. */
  #storeAgain = false
  readonly #firstContact = Promise.withResolvers<void>()
  /** Why the service will not serve this engine at all, where it said so before the first contact. */
  #turnedAway: Error | undefined
  /** Part of a snapshot came since this was last looked at. */
  #heard = false

  constructor(options: SyncEngineOptions) {
    this.#store = options.store
    this.#listener = options.listener
    this.#random = options.random ?? Math.random
    this.#ca = options.ca
    this.#transport = new Transport(options.ca)
    const { token, ...given } = options.connection
    const connection = { fetch: this.#transport.fetch, ...given }
    // A long-lived key is never sent but to the exchange; an access token is all there is and is used as it is.
    this.#tokens = token.startsWith('afs_')
      ? new TokenSource(() => new AgentfsClient({ ...connection, token }).token({ agent: options.agent }))
      : undefined
    const current = this.#tokens
    this.#handle = new AgentfsClient({
      ...connection,
      token: current === undefined ? token : () => current.current(),
    }).agent(options.agent)
    this.#follower = new Follower({
      store: this.#store,
      routes: this.#handle.sync,
      listener: {
        onInvalidate: (invalidations) => this.#listener.onInvalidate(invalidations),
        onProgress: (rows) => {
          this.#heard = true
          this.#listener.onProgress(rows)
        },
        onStored: () => undefined,
      },
    })
    this.#fetcher = new Fetcher({ store: this.#store, routes: this.#handle.sync, random: this.#random })
    this.#pusher = new Pusher({
      store: this.#store,
      routes: this.#handle.sync,
      quietMs: QUIET_MS,
      quietMaxMs: QUIET_MAX_MS,
      random: this.#random,
      onInvalidate: (invalidations) => this.#listener.onInvalidate(invalidations),
      onRejected: (items) => this.#listener.onRejected(items),
      onFailure: (failure) => this.#onFailure(failure),
      onReached: () => undefined,
      catchUpTo: (through) => this.#follower.catchUpTo(through),
      snapshot: () => this.#follower.snapshot(),
      afterPush: async (crowded) => {
        await this.#follower.afterPush()
        if (crowded) this.#storeSoon()
      },
    })
    this.#unlisten = this.#store.listen((event) => {
      if (event.kind === 'journaled') this.#pusher.notice()
      else if (event.kind === 'wanted') this.#fetcher.want(event.blocks)
    })
  }

  /** Where the engine stands. */
  get state(): EngineState {
    return this.#state
  }

  /**
   * Starts following and pushing. Resolves when the store was brought to the head once, or when the service could not be
   * reached for `contactMs` and the engine goes on trying by itself; a long snapshot is waited for. Throws what the service
   * answered where that is for good: the client is too old, the credential may not do this, the agent is gone.
   */
  async start(contactMs = 10_000): Promise<EngineState> {
    this.#pusher.start()
    this.#following = this.#follow()
    const contacted = this.#firstContact.promise.then(() => true)
    do {
      this.#heard = false
      if (await Promise.race([contacted, pause(contactMs, this.#stop.signal)])) break
    } while (this.#heard)
    if (this.#turnedAway !== undefined) throw this.#turnedAway
    return this.#state
  }

  /**
   * Pushes what is journaled and waits for its acknowledgement, or until it is stored. Answers the store's status, which
   * names what is left when the time is over.
   */
  async flush(until: 'acknowledged' | 'stored', timeoutMs: number): Promise<StoreStatus> {
    const deadline = performance.now() + timeoutMs
    this.#pusher.hurry()
    let status = await this.#store.status()
    const goesOn = (): boolean =>
      performance.now() < deadline && !this.#stop.signal.aborted && !this.#refused()
    while (status.journal.entries > 0 && goesOn()) {
      await pause(5, this.#stop.signal)
      status = await this.#store.status()
    }
    if (status.journal.entries > 0 || until === 'acknowledged') return status
    const left = Math.max(1, Math.round(deadline - performance.now()))
    await this.#flushStored(Math.min(left, 120_000))
    return await this.#store.status()
  }

  /** Stops following and pushing. What is journaled stays journaled. */
  async close(): Promise<void> {
    if (this.#state.kind === 'closed') return
    this.#move({ kind: 'close' })
    this.#stop.abort()
    this.#feed?.close()
    this.#transport.reset()
    clearTimeout(this.#renewal)
    this.#unlisten()
    await this.#fetcher.close()
    await this.#pusher.close()
    await this.#following
    await this.#storing
  }

  /** Has the service store what it acknowledged, and notes how far it came. */
  async #flushStored(timeoutMs: number): Promise<void> {
    const { epoch, stored } = await this.#handle.flush({ until: 'stored', timeoutMs })
    if (epoch === (await this.#store.address())?.epoch) await this.#store.setStored(stored)
  }

  /** The same behind everybody's back, one at a time; where it fails, heartbeats tell what workers have stored by and by. */
  #storeSoon(): void {
    this.#storeAgain = this.#storing !== undefined
    this.#storing ??= this.#flushStored(STORE_SOON_MS)
      .catch(() => undefined)
      .finally(() => {
        this.#storing = undefined
        if (this.#storeAgain && !this.#stop.signal.aborted) this.#storeSoon()
      })
  }

  /** Connects, catches up, listens, and does so again when that ends, until closed or refused. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted && this.#state.kind !== 'refused') {
      try {
        await this.#follower.catchUp()
        // A store that another key was refused for is open again: this one was let in.
        await this.#store.reinstate()
        this.#move({ kind: 'reached' })
        this.#pusher.resume()
        const connected = await this.#listen()
        failures = connected ? 0 : failures + 1
      } catch (error) {
        failures++
        this.#followFailed(error)
      }
      if (this.#refused() || signal.aborted) break
      await pause(
        backoffMs(Math.max(failures, 1), { firstMs: 50, mostMs: 5_000, random: this.#random }),
        signal,
      )
    }
    this.#firstContact.resolve()
  }

  /** One feed from its opening to its end; true where it was healthy at some time. */
  async #listen(): Promise<boolean> {
    const address = await this.#store.address()
    if (address === null) return false
    const target = await this.#handle.sync.feed(address.seq, address.epoch)
    const { signal } = this.#stop
    // Closed meanwhile: nobody would close a feed that opens now.
    if (signal.aborted) return false
    let healthy = false
    await new Promise<void>((resolve) => {
      let pending: Promise<void> = Promise.resolve()
      const onFrame = async (frame: FeedFrame): Promise<void> => {
        if (frame.type === 'revoked') {
          // A token that only ended (this machine slept, say) is not the key's end: the next feed has a fresh one.
          if (frame.code === 'token_expired' && this.#tokens !== undefined) this.#tokens.invalidate()
          else await this.#refuse(frame.code)
          feed.close()
          resolve()
          return
        }
        await this.#follower.applyFrame(frame)
        if (frame.type === 'hello' || frame.type === 'heartbeat') {
          healthy = true
          this.#move({ kind: 'caught-up' })
          this.#firstContact.resolve()
          this.#fetcher.prefetch()
        } else if (frame.type === 'commit') this.#fetcher.prefetch()
      }
      const feed = new Feed(
        target,
        {
          onFrame: (frame) => {
            pending = pending
              .then(() => onFrame(frame))
              .catch((error: unknown) => {
                this.#onFailure(classifyFailure(error))
                feed.close()
                resolve()
              })
          },
          onEnd: ({ silent, error }) => {
            // Whatever made the feed fall silent did the same to every other connection: none of them is waited for.
            if (silent) this.#transport.reset()
            this.#move({ kind: 'silent' })
            if (error !== null) this.#onFailure(classifyFailure(error))
            resolve()
          },
        },
        this.#ca,
      )
      this.#feed = feed
      this.#scheduleRenewal()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#feed = undefined
    this.#move({ kind: 'silent' })
    return healthy
  }

  /** Hands the feed a fresh token in time; a refusal on that way ends everything within a second [SY-1]. */
  #scheduleRenewal(): void {
    clearTimeout(this.#renewal)
    const tokens = this.#tokens
    const inMs = tokens?.renewInMs()
    if (tokens === undefined || inMs === null || inMs === undefined) return
    this.#renewal = setTimeout(() => {
      tokens.current().then(
        (token) => {
          this.#feed?.renew(token)
          this.#scheduleRenewal()
        },
        (error: unknown) => {
          this.#onFailure(classifyFailure(error))
          this.#renewal = setTimeout(() => this.#scheduleRenewal(), 5_000)
        },
      )
    }, inMs + 10)
  }

  #followFailed(error: unknown): void {
    const failure = classifyFailure(error)
    if (error instanceof Error && (failure.kind === 'final' || failure.kind === 'outdated')) {
      this.#turnedAway = error
      this.#firstContact.resolve()
    }
    this.#onFailure(failure)
  }

  #onFailure(failure: Failure): void {
    if (failure.kind === 'refused') {
      // An access token that was refused may only have ended: the key behind it is asked first.
      if (this.#tokens === undefined) void this.#refuse(failure.code)
      else {
        this.#tokens.invalidate()
        this.#tokens.current().then(
          // The key holds, so pushing goes on; not at once, for who refused may go on refusing.
          () =>
            pause(REFUSED_PAUSE_MS, this.#stop.signal).then(() => this.#refused() || this.#pusher.resume()),
          (error: unknown) => {
            const again = classifyFailure(error)
            if (again.kind === 'refused') void this.#refuse(again.code)
          },
        )
      }
    } else if (failure.kind === 'passing') {
      if (failure.unreachable) this.#move({ kind: 'unreachable' })
    } else if (failure.kind === 'final' || failure.kind === 'outdated') {
      // A route that answers for good that it will not: the loop tries again, and the state says that it does not follow.
      this.#move({ kind: 'silent' })
    }
  }

  async #refuse(code: string): Promise<void> {
    this.#pusher.pause()
    await this.#store.revoke()
    this.#move({ kind: 'refused', code })
    this.#feed?.close()
    this.#firstContact.resolve()
  }

  #refused(): boolean {
    return this.#state.kind === 'refused'
  }

  #move(event: EngineEvent): void {
    const before = this.#state
    const after = nextState(before, event)
    if (after === before) return
    this.#state = after
    if (after.kind !== 'closed') this.#listener.onState(after, isHealthy(after))
  }
}

/** The error of a mount whose credential is refused. */
export function refusedError(state: EngineState): AgentfsError | undefined {
  if (state.kind !== 'refused') return undefined
  return new AgentfsError(state.code === 'key_revoked' ? 'key_revoked' : 'unauthenticated', {
    detail: 'the service refused the credential; log in again, or mount with another key',
  })
}
