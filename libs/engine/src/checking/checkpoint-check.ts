import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import type { CheckStore, ObjectStore } from '@agentfs/storage'
import { checkpointKey } from '../followers/object-keys.js'
import type { TenantResources } from '../ports.js'
import type { Finding } from './finding.js'

const PAGE = 500

/** Holds the checkpoints of the log that the bucket has against those of the database [AUD-3]; quickly, only whether they are there. */
export async function* checkCheckpoints(
  store: CheckStore,
  resources: TenantResources,
  scope: TenantScope,
  quick: boolean,
): AsyncGenerator<Finding> {
  const { objectStore, objectPrefix } = await resources.resolve(scope)
  for (let after = 0; ;) {
    const page = await store.storedCheckpoints(scope, after, PAGE)
    for (const { number, note } of page) {
      const object = checkpointKey(scope, number)
      const problem = await problemOf(objectStore, objectPrefix + object, Buffer.from(note), quick)
      if (problem !== undefined) yield { tenantId: scope.tenantId, object, ...problem }
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.number
  }
}

async function problemOf(
  store: ObjectStore,
  key: string,
  note: Uint8Array,
  quick: boolean,
): Promise<Pick<Finding, 'kind' | 'problem'> | undefined> {
  try {
    const found = quick ? await store.head(key) : await store.get(key)
    if (found === null) return { kind: 'missing', problem: 'the checkpoint is not there' }
    if (!(found instanceof Uint8Array) || Buffer.compare(found, note) === 0) return undefined
    return { kind: 'damaged', problem: 'is not the checkpoint that was signed' }
  } catch (error) {
    if (!isAgentfsError(error, 'not_found')) throw error
    return { kind: 'missing', problem: 'the checkpoint is not there' }
  }
}
