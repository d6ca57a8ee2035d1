import type { CommitFrame, ContentItem, FeedFrame } from '@agentfs/contracts'
import type { SyncRoutes } from '@agentfs/sdk'
import type { StreamAddress } from '../store/engine-store.js'
import type { Invalidation } from '../store/store-types.js'
import type { AsyncStore } from './async-store.js'
import { classifyFailure } from './failures.js'
import { Ordered } from './ordered.js'

/** What a follower tells its owner. */
export interface FollowerListener {
  onInvalidate(invalidations: readonly Invalidation[]): void
  onProgress(rows: number): void
  onStored(seq: number): void
}

/**
 * Keeps the store in step with the agent's stream: snapshot, changes, frames [SY-2, SY-17]. Everything that folds remote
 * commits goes through one queue, so that they are applied in order, whoever brought them. What cannot be applied yet (a
 * commit of our own whose push is still unanswered [SY-18], or one behind a gap) is not waited for: it is noted as missed,
 * and asked for again when the push is settled or a heartbeat shows that the store is behind.
 */
export class Follower {
  readonly #store: AsyncStore
  readonly #routes: SyncRoutes
  readonly #listener: FollowerListener
  readonly #ordered = new Ordered()
  #missed = false
  #catchingUp: Promise<void> | undefined

  constructor(options: { store: AsyncStore; routes: SyncRoutes; listener: FollowerListener }) {
    this.#store = options.store
    this.#routes = options.routes
    this.#listener = options.listener
  }

  /** Brings the store to the head: by changes where it can, by a snapshot where it must. Answers where it then stands. */
  async catchUp(): Promise<StreamAddress> {
    const address = await this.#store.address()
    if (address === null) return await this.snapshot()
    try {
      await this.#changesTo(Number.POSITIVE_INFINITY)
    } catch (error) {
      if (classifyFailure(error).kind !== 'resnapshot') throw error
      return await this.snapshot()
    }
    return (await this.#store.address()) ?? address
  }

  /** Folds the stream up to and with `through`. */
  async catchUpTo(through: number): Promise<void> {
    await this.#changesTo(through)
  }

  /** After a push was settled: asks for what had to be passed over meanwhile. */
  async afterPush(): Promise<void> {
    if (!this.#missed) return
    this.#missed = false
    await this.#changesTo(Number.POSITIVE_INFINITY)
  }

  /** Takes a fresh picture of the tree; the journal is laid on top [VIS-5]. */
  snapshot(): Promise<StreamAddress> {
    return this.#ordered.run(async () => {
      const address = await this.#loadSnapshot()
      this.#missed = false
      return address
    })
  }

  /** Applies what a feed delivered. */
  async applyFrame(frame: FeedFrame): Promise<void> {
    switch (frame.type) {
      case 'commit':
        await this.#ordered.run(() => this.#applyCommit(frame.commit, frame.contents, frame.through))
        return
      case 'hello':
      case 'heartbeat':
        // Of another epoch it would say that what may be lost with ours is safe [SY-4].
        if (frame.epoch === (await this.#store.address())?.epoch) await this.#stored(frame.stored)
        await this.#repair(frame.epoch, frame.head)
        return
      case 'resync':
        // A change of visibility: what is now to be seen is not in the frames [SY-5].
        await this.snapshot()
        break
      case 'revoked':
    }
  }

  async #loadSnapshot(): Promise<StreamAddress> {
    let page = await this.#routes.snapshot({ limit: 1_000 })
    const { epoch, seq0, root } = page
    await this.#store.beginSnapshot(epoch, seq0, root)
    let rows = 0
    for (;;) {
      await this.#store.addSnapshotRows(page.rows)
      rows += page.rows.length
      this.#listener.onProgress(rows)
      if (page.nextCursor === null) break
      page = await this.#routes.snapshot({ limit: 1_000, cursor: page.nextCursor })
    }
    let seq = seq0
    for (;;) {
      const changes = await this.#routes.changes(seq, epoch)
      await this.#store.addSnapshotCommits(changes.commits)
      seq = changes.commits.at(-1)?.seq ?? seq
      const address = await this.#store.address()
      // A push may have been settled meanwhile: a picture older than what is shown would take its files away again.
      const behind = address?.epoch === epoch && address.seq > seq
      if (!behind && (changes.commits.length === 0 || seq >= changes.head)) {
        this.#invalidate(await this.#store.finishSnapshot(seq))
        await this.#stored(changes.stored)
        return { seq, epoch }
      }
    }
  }

  /** A heartbeat shows a head that the store has not reached: an announcement was lost, or passed over [SY-3]. */
  async #repair(epoch: number, head: number): Promise<void> {
    const address = await this.#store.address()
    if (address === null || (address.epoch === epoch && address.seq >= head)) return
    // A push in flight does not stand in the way: what came before its commit is folded, and there the folding ends.
    this.#catchingUp ??= this.catchUp()
      .then(() => undefined)
      .finally(() => (this.#catchingUp = undefined))
    await this.#catchingUp
  }

  async #changesTo(through: number): Promise<void> {
    for (;;) {
      const address = await this.#store.address()
      if (address === null || address.seq >= through) return
      const page = await this.#routes.changes(address.seq, address.epoch)
      for (const commit of page.commits) {
        if (commit.seq > through) return
        await this.#ordered.run(() => this.#applyCommit(commit, [], commit.seq))
      }
      await this.#stored(page.stored)
      const reached = await this.#store.address()
      // No step forward: the head is reached, or the next commit is our own and not answered yet.
      if (reached === null || reached.seq === address.seq || reached.seq >= page.head) return
    }
  }

  async #applyCommit(commit: CommitFrame, contents: readonly ContentItem[], through: number): Promise<void> {
    const address = await this.#store.address()
    if (address === null) return
    if (commit.epoch === address.epoch && commit.seq <= address.seq) {
      if (contents.length > 0) await this.#store.provideContents(contents)
      return
    }
    if (
      commit.epoch !== address.epoch ||
      commit.seq !== address.seq + 1 ||
      (await this.#isOwnInFlight(commit))
    ) {
      this.#missed = true
      return
    }
    this.#invalidate(await this.#store.applyCommit(commit, contents))
    if (through > commit.seq) await this.#store.advance(commit.epoch, through)
  }

  async #isOwnInFlight(commit: CommitFrame): Promise<boolean> {
    if (commit.store === undefined) return false
    const status = await this.#store.status()
    return commit.store === status.store && status.pushInFlight !== null
  }

  #invalidate(invalidations: readonly Invalidation[]): void {
    if (invalidations.length > 0) this.#listener.onInvalidate(invalidations)
  }

  async #stored(seq: number): Promise<void> {
    await this.#store.setStored(seq)
    this.#listener.onStored(seq)
  }
}
