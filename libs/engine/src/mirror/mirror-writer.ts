import type { TenantScope } from '@agentfs/access'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { keyOfPath, sidecarKeyOf } from '@agentfs/document'
import {
  announceMirrorDocuments,
  type Database,
  forgetMirrorDocuments,
  mirrorDocuments,
  mirrorDocumentsInTheWay,
  type MirrorDocumentRow,
  mirrorNodes,
  noteMirrorDocuments,
  pathsOfNodes,
  renewMirrorClaim,
  type TenantTransaction,
} from '@agentfs/storage'
import type { EngineLog } from '../ports.js'
import type { LoadedVersions, MirrorDocuments, MirrorObjects } from './mirror-documents.js'
import { type DocumentToWrite, type MirrorPlan, planMirror } from './mirror-plan.js'
import type { MirrorTarget } from './mirror-targets.js'

/** The right to write, until another worker's time has come or the mirror was switched. */
interface MirrorClaim {
  readonly by: string
  /** When the mirror was last switched: what was claimed before another switch counts no more. */
  readonly changedAt: Date
  renewedAtMs: number
  renewing?: Promise<void>
}

/** One worker at one agent's mirror. */
export interface MirrorTask {
  readonly scope: TenantScope
  readonly agentId: string
  readonly target: MirrorTarget
  readonly claim: MirrorClaim
  readonly counts: { written: number; removed: number }
  readonly signal: AbortSignal | undefined
}

/** What it writes with. */
export interface MirrorWriting {
  readonly database: Database
  readonly documents: MirrorDocuments
  readonly log: EngineLog
  readonly nowMs: () => number
}

const CLAIM_MS = 60_000
/** No call to the store outlives the claim: a late write could follow one of the next worker. */
const STORE_MS_MAX = 40_000
/** A claim this old is renewed before the next call to the store, so that it covers all of that. */
const RENEW_MS = 15_000
const WRITES_AT_ONCE = 8

/** Turns the documents of some nodes into what their files are now. */
export class MirrorWriter {
  readonly #tools: MirrorWriting

  constructor(tools: MirrorWriting) {
    this.#tools = tools
  }

  /** From when until when a claim made now holds. */
  claimTimes(): { readonly at: Date; readonly until: Date } {
    const nowMs = this.#tools.nowMs()
    return { at: new Date(nowMs), until: new Date(nowMs + CLAIM_MS) }
  }

  /** A transaction that counts only while the claim is held; renews it. */
  async fenced<T>(task: MirrorTask, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    task.signal?.throwIfAborted()
    const { agentId, claim } = task
    const { by, changedAt } = claim
    const { at, until } = this.claimTimes()
    const done = await this.#tools.database.withTenant(task.scope, async (tx) => {
      const held = await renewMirrorClaim(tx, agentId, { by, changedAt, until })
      if (!held) {
        throw new AgentfsError('unavailable', {
          mirrorClaim: 'lost',
          detail: 'another worker took the mirror over, or it was switched',
        })
      }
      return work(tx)
    })
    claim.renewedAtMs = at.getTime()
    return done
  }

  /** Takes away what these nodes no longer have. */
  async removeStale(task: MirrorTask, nodeIds: readonly string[]): Promise<void> {
    const { remove } = await this.fenced(task, (tx) => planOf(tx, task.agentId, nodeIds))
    await this.remove(task, remove)
  }

  /** Deletes documents, and then forgets them. */
  async remove(task: MirrorTask, rows: readonly MirrorDocumentRow[]): Promise<void> {
    if (rows.length === 0) return
    await inTurns(rows, ({ objectKey, sidecar, writtenAt }) =>
      this.#delete(task, objectKey, sidecar || writtenAt === null),
    )
    const keys = rows.map(({ objectKey }) => objectKey)
    await this.fenced(task, (tx) => forgetMirrorDocuments(tx, task.agentId, keys))
    task.counts.removed += rows.length
  }

  /** Writes what these nodes have now; what they no longer have stays until `removeStale`. */
  async write(task: MirrorTask, nodeIds: readonly string[]): Promise<void> {
    const { plan, inTheWay } = await this.fenced(task, async (tx) => {
      const made = await planOf(tx, task.agentId, nodeIds)
      const newKeys = made.write.flatMap(({ objectKey, isNew }) => (isNew ? [objectKey] : []))
      const blocking = newKeys.length === 0 ? [] : await mirrorDocumentsInTheWay(tx, task.agentId, newKeys)
      const announced = made.write.map(({ objectKey, node }) => ({ objectKey, nodeId: node.nodeId }))
      if (announced.length > 0) await announceMirrorDocuments(tx, task.agentId, announced)
      return { plan: made, inTheWay: blocking }
    })
    // Many a store keeps files: there no name is a file and a folder at once.
    await this.remove(task, inTheWay)
    if (plan.write.length === 0) return
    const loaded = await this.#tools.documents.load(task.scope, task.agentId, plan.write)
    const written: Omit<MirrorDocumentRow, 'writtenAt'>[] = []
    const gone: string[] = []
    await inTurns(plan.write, async (document) => {
      const objects = await this.#make(task, document, loaded)
      if (objects === 'damaged') return
      const { objectKey, node } = document
      if (objects === undefined) {
        await this.#delete(task, objectKey, true)
        gone.push(objectKey)
        return
      }
      await this.#put(task, document, objects)
      const sidecar = objects.sidecar !== null
      written.push({ objectKey, nodeId: node.nodeId, versionId: node.headVersion, sidecar })
    })
    await this.fenced(task, async (tx) => {
      await noteMirrorDocuments(tx, task.agentId, written, new Date(this.#tools.nowMs()))
      await forgetMirrorDocuments(tx, task.agentId, gone)
    })
    task.counts.written += written.length
  }

  /** Renews a claim that would not cover another call to the store; many calls share one renewal. */
  async #holdOn(task: MirrorTask): Promise<void> {
    const { claim } = task
    if (this.#tools.nowMs() - claim.renewedAtMs < RENEW_MS) return
    claim.renewing ??= this.fenced(task, () => Promise.resolve()).finally(() => {
      delete claim.renewing
    })
    await claim.renewing
  }

  /** One damaged object must not stop the mirror of all other files. */
  async #make(
    task: MirrorTask,
    document: DocumentToWrite,
    loaded: LoadedVersions,
  ): Promise<MirrorObjects | undefined | 'damaged'> {
    try {
      return await this.#tools.documents.make(task.scope, task.agentId, document, loaded)
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      const { tenantId } = task.scope
      const facts = {
        tenant: tenantId,
        agent: task.agentId,
        node: document.node.nodeId,
        error: String(error),
      }
      this.#tools.log.error('a file could not be mirrored: its content is damaged', facts)
      return 'damaged'
    }
  }

  async #put(task: MirrorTask, document: DocumentToWrite, objects: MirrorObjects): Promise<void> {
    await this.#holdOn(task)
    const { store, prefix } = task.target
    const key = prefix + document.objectKey
    const sidecarKey = sidecarKeyOf(key)
    if (objects.main === null) await store.delete(key, limits(task))
    else await store.put(key, objects.main, limits(task))
    if (objects.sidecar !== null) await store.put(sidecarKey, objects.sidecar, limits(task))
    else if (document.sidecar) await store.delete(sidecarKey, limits(task))
  }

  async #delete(task: MirrorTask, objectKey: string, sidecar: boolean): Promise<void> {
    await this.#holdOn(task)
    const { store, prefix } = task.target
    const key = prefix + objectKey
    await store.delete(key, limits(task))
    if (sidecar) await store.delete(sidecarKeyOf(key), limits(task))
  }
}

async function planOf(
  tx: TenantTransaction,
  agentId: string,
  nodeIds: readonly string[],
): Promise<MirrorPlan> {
  const [nodes, paths] = await Promise.all([
    mirrorNodes(tx, agentId, nodeIds),
    pathsOfNodes(tx, agentId, nodeIds),
  ])
  const keys = nodes.flatMap(({ nodeId }) => (paths.get(nodeId) ?? []).map(keyOfPath))
  const rows = await mirrorDocuments(tx, agentId, nodeIds, keys)
  return planMirror({ nodeIds, nodes, paths, rows })
}

function limits({ signal }: MirrorTask): { readonly signal: AbortSignal } {
  const timeout = AbortSignal.timeout(STORE_MS_MAX)
  return { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) }
}

/** Some at a time; ends when all have ended, and throws the first failure. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values()
  let failure: { readonly error: unknown } | undefined
  const line = async (): Promise<void> => {
    for (const item of waiting) {
      if (failure !== undefined) return
      await work(item).catch((error: unknown) => (failure ??= { error }))
    }
  }
  await Promise.all(Array.from({ length: WRITES_AT_ONCE }, line))
  if (failure !== undefined) throw failure.error
}
