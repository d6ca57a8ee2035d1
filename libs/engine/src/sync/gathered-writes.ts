import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'

/** What one transaction takes at most. */
const GATHERED_MAX = 64

interface Waiting<Item> {
  readonly item: Item
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes that come while another of the same group is under way share the next transaction: parts that go up four at a time
 * cost a commit for some of them instead of one each. Nothing waits for company.
 */
export class GatheredWrites<Item> {
  readonly #write: (scope: TenantScope, group: string, items: readonly Item[]) => Promise<void>
  readonly #groups = new Map<string, Waiting<Item>[]>()

  constructor(write: (scope: TenantScope, group: string, items: readonly Item[]) => Promise<void>) {
    this.#write = write
  }

  /** Resolves when the item is committed; throws what its transaction threw, its own where a shared one was refused. */
  add(scope: TenantScope, group: string, item: Item): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const name = `${scope.tenantId}/${group}`
    const waiting = this.#groups.get(name)
    if (waiting !== undefined) {
      waiting.push({ item, resolve, reject })
      return promise
    }
    const queue = [{ item, resolve, reject }]
    this.#groups.set(name, queue)
    void this.#drain(scope, group, name, queue)
    return promise
  }

  async #drain(scope: TenantScope, group: string, name: string, queue: Waiting<Item>[]): Promise<void> {
    while (queue.length > 0) {
      const taken = queue.splice(0, GATHERED_MAX)
      try {
        await this.#writeAll(scope, group, taken)
      } catch (error) {
        // What one item is refused for is not for its company to bear.
        const isShared = taken.length === 1 || isAgentfsError(error, 'unavailable')
        for (const waiting of taken) {
          if (isShared) waiting.reject(error)
          else await this.#writeAll(scope, group, [waiting]).catch(waiting.reject)
        }
      }
    }
    this.#groups.delete(name)
  }

  async #writeAll(scope: TenantScope, group: string, taken: readonly Waiting<Item>[]): Promise<void> {
    await this.#write(
      scope,
      group,
      taken.map(({ item }) => item),
    )
    for (const { resolve } of taken) resolve()
  }
}
