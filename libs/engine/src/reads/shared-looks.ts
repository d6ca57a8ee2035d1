import type { TenantScope } from '@agentfs/access'
import { type AgentHead, type Database, findAgentHeads, findKeys, type KeyRow } from '@agentfs/storage'

/** What Postgres says at one instant: where an agent stands, undefined where it is gone, and which of some keys still hold. */
export interface Look {
  readonly head: AgentHead | undefined
  readonly keys: readonly KeyRow[]
}

/** What was asked for and not sent yet. */
interface Gathered {
  readonly agentIds: Set<string>
  readonly keyIds: Set<string>
  readonly answer: Promise<Answer>
}

interface Answer {
  readonly heads: ReadonlyMap<string, AgentHead>
  readonly keys: ReadonlyMap<string, KeyRow>
}

/**
 * The looks at Postgres by which what is remembered is checked before it is believed [VIS-2] [ENC-3]. All that are asked for
 * in one turn of the event loop for one tenant go in one transaction: it begins after each of them was asked for, so that it
 * sees whatever was acknowledged before. One that is under way is never joined.
 */
export class SharedLooks {
  readonly #database: Database
  readonly #gathered = new Map<string, Gathered>()

  constructor(database: Database) {
    this.#database = database
  }

  async look(scope: TenantScope, agentId: string, keyIds: readonly string[]): Promise<Look> {
    const gathered = this.#gathered.get(scope.tenantId) ?? this.#gather(scope)
    gathered.agentIds.add(agentId)
    for (const keyId of keyIds) gathered.keyIds.add(keyId)
    const { heads, keys } = await gathered.answer
    return { head: heads.get(agentId), keys: keyIds.flatMap((keyId) => keys.get(keyId) ?? []) }
  }

  #gather(scope: TenantScope): Gathered {
    const agentIds = new Set<string>()
    const keyIds = new Set<string>()
    const answer = new Promise<Answer>((resolve, reject) => {
      setImmediate(() => {
        this.#gathered.delete(scope.tenantId)
        this.#ask(scope, [...agentIds], [...keyIds]).then(resolve, reject)
      })
    })
    const gathered = { agentIds, keyIds, answer }
    this.#gathered.set(scope.tenantId, gathered)
    return gathered
  }

  async #ask(scope: TenantScope, agentIds: readonly string[], keyIds: readonly string[]): Promise<Answer> {
    const [heads, keys] = await this.#database.readTenant(scope, (tx) =>
      Promise.all([findAgentHeads(tx, agentIds), keyIds.length === 0 ? [] : findKeys(tx, keyIds)]),
    )
    return {
      heads: new Map(heads.map((head) => [head.agentId, head])),
      keys: new Map(keys.map((key) => [key.keyId, key])),
    }
  }
}
