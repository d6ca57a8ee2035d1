import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { isAgentfsError, uuidv7 } from '@agentfs/contracts'
import {
  claimMirror,
  dueMirrorsAcrossTenants,
  endMirror,
  filesBelow,
  findMirror,
  type MirrorRow,
  nodesToMirror,
  noteMirrorFill,
  oldestUnmirrored,
  releaseMirror,
  setMirrorCursor,
  someMirrorDocuments,
} from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { KeyVault } from '../keys/key-vault.js'
import type { EngineLog } from '../ports.js'
import { ContentReader } from '../reads/content-reader.js'
import { ExtentPages } from '../reads/extent-pages.js'
import { SealedBytes } from '../reads/sealed-bytes.js'
import { VersionOpener } from '../reads/version-opener.js'
import { RecordReader } from '../streams/record-reader.js'
import { CommitReader } from '../sync/commit-reader.js'
import { MirrorDocuments } from './mirror-documents.js'
import { MirrorTargets } from './mirror-targets.js'
import { type MirrorTask, MirrorWriter } from './mirror-writer.js'

/** What the mirror works on. */
export interface MirrorOptions extends FollowerOptions {
  readonly log: EngineLog
  readonly targets?: MirrorTargets
}

/** An agent whose mirror is behind. */
export interface MirrorToAdvance {
  readonly scope: TenantScope
  readonly agentId: string
}

/** Due mirrors as of one look. */
export interface DueMirrors {
  readonly mirrors: readonly MirrorToAdvance[]
  /** Age of the oldest commit that no mirror shows yet. */
  readonly oldestMs: number
}

/** What advancing did. */
export interface MirrorAdvance {
  /** False where another worker is at it, or there is no mirror. */
  readonly claimed: boolean
  readonly written: number
  readonly removed: number
}

const BATCH_NODES = 200
const COMMITS_MAX = 100
const DUE_MAX = 100
const SEALED_CACHE_BYTES = 8 * 1_048_576

/**
 * The follower that keeps an agent's open mirror in step: readable documents in plaintext, for tenants who switched it on.
 *
 * It follows the stream of commits, but writes what the tree holds now: what a commit names is looked up again, so a
 * step may be done twice, and nothing older follows something newer. A row stands for each object from before it is
 * written until after it is deleted, so that a killed step leaves nothing unknown behind. One worker at a time has the
 * claim to an agent, and each batch renews it.
 */
export class Mirror {
  readonly #options: MirrorOptions
  readonly #targets: MirrorTargets
  readonly #commits: CommitReader
  readonly #writer: MirrorWriter
  readonly #nowMs: () => number

  constructor(options: MirrorOptions) {
    const { database, resources, log, clock = SYSTEM_CLOCK } = options
    this.#options = options
    this.#nowMs = () => clock.now()
    this.#targets = options.targets ?? new MirrorTargets(resources)
    const vault = new KeyVault(database, resources)
    const sealed = new SealedBytes(resources, SEALED_CACHE_BYTES)
    const pages = new ExtentPages(database, vault, sealed)
    const opener = new VersionOpener(vault, sealed, pages)
    const reader = new ContentReader(database, vault, sealed, pages)
    this.#commits = new CommitReader(new RecordReader(database, vault, sealed))
    const documents = new MirrorDocuments({ database, vault, opener, reader })
    this.#writer = new MirrorWriter({ database, documents, log, nowMs: this.#nowMs })
  }

  /** Mirrors of all tenants that are behind, those first that have not moved for longest; a hundred at most. */
  async dueAcrossTenants(): Promise<DueMirrors> {
    const { database } = this.#options
    const due = await dueMirrorsAcrossTenants(database, DUE_MAX)
    const mirrors = due.map(({ tenantId, agentId }) => ({ scope: mintTenantScope(tenantId), agentId }))
    let oldest = this.#nowMs()
    for (const { scope, agentId } of mirrors) {
      const at = await database.withTenant(scope, async (tx) => {
        const mirror = await findMirror(tx, agentId)
        return mirror === undefined ? null : oldestUnmirrored(tx, mirror)
      })
      oldest = Math.min(oldest, at?.getTime() ?? oldest)
    }
    return { mirrors, oldestMs: this.#nowMs() - oldest }
  }

  /** Brings an agent's mirror up to the head of its stream, or takes away what it wrote. */
  async advance(scope: TenantScope, agentId: string, signal?: AbortSignal): Promise<MirrorAdvance> {
    const { database } = this.#options
    const claim = { by: uuidv7(), ...this.#writer.claimTimes() }
    const { by } = claim
    const mirror = await database.withTenant(scope, async (tx) =>
      (await claimMirror(tx, agentId, claim)) ? findMirror(tx, agentId) : undefined,
    )
    if (mirror === undefined) return { claimed: false, written: 0, removed: 0 }
    const counts = { written: 0, removed: 0 }
    try {
      const target = await this.#targets.resolve(scope, agentId, mirror.target)
      const held = { by, changedAt: mirror.changedAt, renewedAtMs: claim.at.getTime() }
      const task = { scope, agentId, target, claim: held, counts, signal }
      await this.#work(task, mirror)
    } finally {
      await database.withTenant(scope, (tx) => releaseMirror(tx, agentId, by)).catch(() => undefined)
    }
    return { claimed: true, ...counts }
  }

  async #work(task: MirrorTask, mirror: MirrorRow): Promise<void> {
    if (mirror.state === 'removing' || mirror.agentDeleted) return this.#removeAll(task)
    if (mirror.state === 'off') return
    const followed =
      mirror.cursorEpoch === mirror.headEpoch
        ? { epoch: mirror.cursorEpoch, seq: mirror.cursorSeq }
        : await this.#fill(task, mirror)
    await this.#follow(task, followed)
  }

  /** Writes the whole tree, from where the last attempt was; gives the place to follow from. */
  async #fill(task: MirrorTask, mirror: MirrorRow): Promise<{ epoch: number; seq: number }> {
    const { scope, agentId } = task
    const { database } = this.#options
    const resumed = mirror.fillEpoch === mirror.headEpoch
    const from = { epoch: mirror.headEpoch, seq: (resumed ? mirror.fillSeq : null) ?? mirror.headSeq }
    let after = resumed ? mirror.fillAfter : null
    await this.#writer.fenced(task, (tx) => noteMirrorFill(tx, agentId, { ...from, after }))
    for (;;) {
      const at = after
      const nodeIds = await database.withTenant(scope, (tx) => nodesToMirror(tx, agentId, at, BATCH_NODES))
      if (nodeIds.length === 0) break
      await this.#writer.write(task, nodeIds)
      await this.#writer.removeStale(task, nodeIds)
      after = nodeIds.at(-1) ?? null
      const done = after
      await this.#writer.fenced(task, (tx) => noteMirrorFill(tx, agentId, { ...from, after: done }))
    }
    await this.#writer.fenced(task, async (tx) => {
      await noteMirrorFill(tx, agentId, null)
      await setMirrorCursor(tx, agentId, from, this.#now())
    })
    return from
  }

  /** Follows the commits, a window at a time; the cursor moves when all that a window names is settled. */
  async #follow(task: MirrorTask, from: { readonly epoch: number; readonly seq: number }): Promise<void> {
    const { scope, agentId } = task
    for (let { seq } = from; ;) {
      task.signal?.throwIfAborted()
      const commits = await this.#commits.after(scope, agentId, from.epoch, seq, COMMITS_MAX)
      const last = commits.at(-1)
      if (last === undefined) return
      const named = new Set<string>()
      for (const { delta } of commits) {
        for (const { id } of delta.nodes) named.add(id)
        for (const { node } of delta.entries) if (node !== null) named.add(node)
        for (const { alias, node } of delta.aliases) named.add(alias).add(node)
      }
      await this.#settleAll(task, [...named])
      seq = last.seq
      const through = { epoch: from.epoch, seq }
      await this.#writer.fenced(task, (tx) => setMirrorCursor(tx, agentId, through, this.#now()))
    }
  }

  async #settleAll(task: MirrorTask, named: readonly string[]): Promise<void> {
    const { scope, agentId } = task
    const below = await this.#options.database.withTenant(scope, (tx) => filesBelow(tx, agentId, named))
    const nodeIds = [...new Set([...named, ...below])]
    // New names first: whoever reads the mirror finds a file under one of its names while it moves.
    for (const ids of batches(nodeIds)) await this.#writer.write(task, ids)
    for (const ids of batches(nodeIds)) await this.#writer.removeStale(task, ids)
  }

  async #removeAll(task: MirrorTask): Promise<void> {
    const { scope, agentId } = task
    for (;;) {
      const rows = await this.#options.database.withTenant(scope, (tx) =>
        someMirrorDocuments(tx, agentId, BATCH_NODES),
      )
      if (rows.length === 0) break
      await this.#writer.remove(task, rows)
    }
    await this.#writer.fenced(task, (tx) => endMirror(tx, agentId))
  }

  #now(): Date {
    return new Date(this.#nowMs())
  }
}

/** Whether an error says that another worker, or a switch, took the claim: nothing for an operator to see. */
export function isMirrorClaimLost(error: unknown): boolean {
  return isAgentfsError(error, 'unavailable') && error.details['mirrorClaim'] === 'lost'
}

function* batches(nodeIds: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < nodeIds.length; at += BATCH_NODES) yield nodeIds.slice(at, at + BATCH_NODES)
}
