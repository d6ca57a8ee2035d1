import type { SyncRoutes } from '@agentfs/sdk'
import { BLOCK_BYTES } from '../store/content-cache.js'
import type { BlockAddress } from '../store/store-types.js'
import type { AsyncStore } from './async-store.js'
import { backoffMs, pause } from './backoff.js'
import { classifyFailure } from './failures.js'

const PARALLEL_MAX = 8
/** How long a read waits for the service before it fails with EIO [FS-4]. */
const GIVE_UP_MS = 10_000
const SMALL_FILE_BYTES_MAX = 65_536
const BATCH_BYTES_MAX = 4 * 1_048_576
const BATCH_COUNT_MAX = 500

/** Brings contents from the service: blocks that a read waits for, and small files ahead of being read. */
export class Fetcher {
  readonly #store: AsyncStore
  readonly #routes: SyncRoutes
  readonly #random: () => number
  readonly #stop = new AbortController()
  readonly #underWay = new Set<string>()
  readonly #queue: BlockAddress[] = []
  readonly #tried = new Set<string>()
  readonly #tasks = new Set<Promise<void>>()
  #active = 0
  #prefetching = false
  #prefetchAgain = false

  constructor(options: { store: AsyncStore; routes: SyncRoutes; random: () => number }) {
    this.#store = options.store
    this.#routes = options.routes
    this.#random = options.random
  }

  /** Fetches blocks, each once however often it is asked for. */
  want(blocks: readonly BlockAddress[]): void {
    for (const block of blocks) {
      const key = keyOf(block)
      if (this.#underWay.has(key)) continue
      this.#underWay.add(key)
      this.#queue.push(block)
    }
    this.#pump()
  }

  /** Fetches small files that are not cached, newest first, until there are none or the store's budget is used. */
  prefetch(): void {
    this.#prefetchAgain = true
    if (this.#prefetching) return
    this.#prefetching = true
    this.#run(this.#prefetchAll(), () => {
      this.#prefetching = false
    })
  }

  /** Gives up everything under way; the store is left alone once this resolves. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#tasks)
  }

  /** Lets a task run behind the caller's back. One that fails met a store that is gone: nobody waits for its result then. */
  #run(working: Promise<void>, after: () => void): void {
    const task = working
      .catch(() => undefined)
      .then(() => {
        this.#tasks.delete(task)
        after()
      })
    this.#tasks.add(task)
  }

  #pump(): void {
    while (this.#active < PARALLEL_MAX && !this.#stop.signal.aborted) {
      const block = this.#queue.shift()
      if (block === undefined) return
      this.#active++
      this.#run(this.#fetch(block), () => {
        this.#active--
        this.#underWay.delete(keyOf(block))
        this.#pump()
      })
    }
  }

  async #fetch(address: BlockAddress): Promise<void> {
    const { signal } = this.#stop
    const until = performance.now() + GIVE_UP_MS
    for (let failures = 1; ; failures++) {
      try {
        const range = { offset: address.block * BLOCK_BYTES, length: BLOCK_BYTES }
        const bytes = await this.#routes.content(address.node, address.version, range, signal)
        await this.#store.provide(address, bytes)
        return
      } catch (error) {
        const passing = classifyFailure(error).kind === 'passing'
        const waitMs = backoffMs(failures, { firstMs: 50, mostMs: 2_000, random: this.#random })
        if (!passing || signal.aborted || performance.now() + waitMs > until) {
          const reason = error instanceof Error ? error : new Error(String(error))
          await this.#store.failBlocks([address], reason)
          return
        }
        await pause(waitMs, signal)
      }
    }
  }

  async #prefetchAll(): Promise<void> {
    while (this.#prefetchAgain && !this.#stop.signal.aborted) {
      this.#prefetchAgain = false
      for (;;) {
        const missing = await this.#store.uncached(SMALL_FILE_BYTES_MAX, BATCH_BYTES_MAX, BATCH_COUNT_MAX)
        const items = missing.filter((it) => !this.#tried.has(it.version))
        if (items.length === 0) break
        try {
          const request = {
            reason: 'prefetch' as const,
            items: items.map(({ node, version }) => ({ node, version })),
          }
          const answer = await this.#routes.contents(request, this.#stop.signal)
          await this.#store.provideContents(answer.items)
          // What the answer left out is fetched when it is read; asking again for it would go on for ever.
          const got = new Set(answer.items.map((it) => it.version))
          for (const { version } of items) if (!got.has(version)) this.#tried.add(version)
          if (answer.items.length === 0) break
        } catch {
          // The next commit or reconnection asks again; a read asks for itself.
          return
        }
      }
    }
  }
}

function keyOf({ node, version, block }: BlockAddress): string {
  return `${node}/${version}/${block}`
}
