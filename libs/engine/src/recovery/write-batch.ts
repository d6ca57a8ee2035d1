import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { type Extent, openedLength, openExtentPage } from '@agentfs/crypto'
import {
  auditEventsInserted,
  completeParts,
  dropErasedContents,
  findKeys,
  findParts,
  insertLostKeys,
  partsThere,
  restoreAgent,
  restoreApiKey,
  restoreHead,
  restoreParts,
  restorePushes,
  restoreRecords,
  restoreTenant,
  restoreUser,
  restoreVersions,
  saveAliases,
  type StoredPartRow,
  type StoredVersionRow,
  type TenantTransaction,
  treeSaved,
} from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'
import type { FoldBatch } from './fold-batch.js'
import { type PartFact, partRowOf, type PinnedVersion, pinnedManifest, versionOf } from './fold-versions.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'
import type { FoundEntry, StoredCommit } from './stream-commits.js'

/** Makes the rows of a batch of commits, and writes them in one transaction that moves the stream's head. */
export class WriteBatch {
  readonly #tools: RebuildTools
  readonly #scope: TenantScope
  readonly #target: StreamToRebuild
  readonly #batch: FoldBatch
  readonly #commits: readonly StoredCommit[]
  readonly #recordsOnly: boolean
  readonly #versions: StoredVersionRow[] = []
  readonly #facts = new Map<string, PartFact>()
  readonly #parts = new Map<string, StoredPartRow>()
  readonly #entries = new Map<string, FoundEntry>()

  constructor(
    tools: RebuildTools,
    scope: TenantScope,
    target: StreamToRebuild,
    batch: FoldBatch,
    commits: readonly StoredCommit[],
    recordsOnly: boolean,
  ) {
    this.#tools = tools
    this.#scope = scope
    this.#target = target
    this.#batch = batch
    this.#commits = commits
    this.#recordsOnly = recordsOnly
  }

  /** Opens the manifests; `written` resolves once the batches before this one are rows. */
  async prepare(written: () => Promise<void>): Promise<void> {
    if (this.#target.kind !== 'agent' || this.#recordsOnly) return
    for (const { parts } of this.#commits) for (const entry of parts) this.#entries.set(entry.id, entry)
    const pinned = this.#pinned()
    const keys = await this.#keys(new Set(pinned.map(({ entry }) => entry.keyId)))
    const readPage = (page: Extent): Promise<readonly Extent[] | undefined> => this.#page(page, keys, written)
    for (const version of pinned) {
      const { row, facts } = await versionOf(
        this.#scope.tenantId,
        version,
        keys.get(version.entry.keyId),
        readPage,
      )
      this.#versions.push(row)
      for (const fact of facts) if (!this.#facts.has(fact.partId)) this.#facts.set(fact.partId, fact)
    }
    const { epoch } = this.#batch
    for (const [index, { parts }] of this.#commits.entries()) {
      const at = this.#batch.records[index]?.at ?? this.#batch.at
      const nodeId = this.#target.rootId ?? this.#target.streamId
      for (const entry of parts) {
        this.#parts.set(entry.id, partRowOf(entry, this.#facts.get(entry.id), { epoch, at, nodeId }))
      }
    }
  }

  async write(): Promise<{ versions: number; parts: number }> {
    const { streamId, kind, agentId } = this.#target
    const batch = this.#batch
    const { tenantId } = this.#scope
    const now = new Date(this.#tools.clock.now())
    return this.#tools.database.withTenant(this.#scope, async (tx) => {
      // The head moves with the rows: a batch that a crash takes back is folded again.
      await tx.query`set local synchronous_commit = off`
      await restoreRecords(tx, streamId, batch.records)
      if (batch.events.length > 0) await tx.run(auditEventsInserted(tenantId, batch.events))
      for (const delta of batch.tenantDeltas) {
        if (delta.tenant !== undefined) await restoreTenant(tx, delta.tenant)
        for (const user of delta.users ?? []) await restoreUser(tx, user)
        for (const key of delta.keys ?? []) await restoreApiKey(tx, key)
        for (const agent of delta.agents ?? []) await restoreAgent(tx, agent)
      }
      if (kind === 'agent' && agentId !== null) {
        if (!this.#recordsOnly) await this.#writeTree(tx, agentId, now)
        if (batch.pushes.length > 0) await restorePushes(tx, agentId, batch.pushes, batch.stores())
      }
      const { epoch, seq, log, at } = batch
      await restoreHead(tx, streamId, { epoch, seq, log, at }, now)
      return { versions: this.#versions.length, parts: this.#parts.size }
    })
  }

  async #writeTree(tx: TenantTransaction, agentId: string, now: Date): Promise<void> {
    const { nodes, entries, aliases } = this.#batch
    const images = [...nodes.values()]
    const names = [...entries.values()]
    const nodeTimes = new Map(images.map(({ image, at }) => [image, at]))
    const nameSeqs = new Map(names.map(({ image, seq }) => [image, seq]))
    const delta = { nodes: images.map(({ image }) => image), entries: names.map(({ image }) => image) }
    const stamp = {
      seq: (entry: (typeof delta.entries)[number]) => nameSeqs.get(entry) ?? this.#batch.seq,
      at: (image: (typeof delta.nodes)[number]) => nodeTimes.get(image) ?? this.#batch.at,
    }
    await tx.batch(treeSaved(tx.tenantId, agentId, delta, new Map(), stamp))
    for (const { images: made, seq } of aliases) saveAliases(tx, agentId, { aliases: made.slice() }, seq)
    if (this.#versions.length > 0) await restoreVersions(tx, agentId, this.#versions)
    await this.#writeParts(tx, agentId, now)
    const { erased } = this.#batch
    if (erased.length > 0) await dropErasedContents(tx, agentId, erased)
  }

  /** Parts of this batch's segments, and those named here for the first time that are objects of their own. */
  async #writeParts(tx: TenantTransaction, agentId: string, now: Date): Promise<void> {
    const elsewhere = [...this.#facts.values()].filter(({ partId }) => !this.#parts.has(partId))
    if (elsewhere.length > 0) {
      const ids = elsewhere.map(({ partId }) => partId)
      const there = await partsThere(tx, agentId, ids)
      await completeParts(
        tx,
        agentId,
        elsewhere.filter(({ partId }) => there.has(partId)),
      )
      for (const { partId, ...fact } of elsewhere) {
        const object = there.has(partId) ? undefined : this.#target.parts.find(partId)
        if (object === undefined) continue
        const { objectId, size: length } = object
        const place = { objectId, offset: 0, length, size: openedLength(length) }
        this.#parts.set(partId, { partId, ...fact, epoch: this.#batch.epoch, ...place })
      }
    }
    const rows = [...this.#parts.values()]
    if (rows.length === 0) return
    const lost = await insertLostKeys(tx, agentId, [...new Set(rows.map(({ keyId }) => keyId))], now)
    const { tenantId } = this.#scope
    for (const keyId of lost) {
      this.#tools.losses.add({
        kind: 'key',
        tenant: tenantId,
        agent: agentId,
        detail: `key ${keyId} is in no piece of the ledger`,
      })
    }
    await restoreParts(tx, agentId, rows)
  }

  #pinned(): PinnedVersion[] {
    const found: PinnedVersion[] = []
    for (const [index, commit] of this.#commits.entries()) {
      const record = this.#batch.records[index]
      if (record === undefined) continue
      for (const { image, author } of this.#batch.versionsOf(index)) {
        const entry = pinnedManifest(image, commit)
        const { epoch, seq, at } = record
        // Pruned since, by policy; `missingHeads` finds those that should be there.
        if (entry !== undefined) found.push({ image, entry, epoch, seq, at, author })
      }
    }
    return found
  }

  async #keys(keyIds: ReadonlySet<string>): Promise<Map<string, UsableKey>> {
    if (keyIds.size === 0) return new Map()
    const rows = await this.#tools.database.withTenant(this.#scope, (tx) => findKeys(tx, [...keyIds]))
    return this.#tools.vault.unwrap(this.#scope, rows)
  }

  async #page(
    page: Extent,
    keys: Map<string, UsableKey>,
    written: () => Promise<void>,
  ): Promise<readonly Extent[] | undefined> {
    // Versions share pages: what one named is known.
    if (this.#facts.get(page.partId)?.partIds !== undefined && this.#facts.get(page.partId)?.partIds !== null)
      return undefined
    if (!keys.has(page.keyId))
      for (const [id, key] of await this.#keys(new Set([page.keyId]))) keys.set(id, key)
    const key = keys.get(page.keyId)
    if (key === undefined) return undefined
    const { tenantId } = this.#scope
    try {
      const sealed = this.#entries.get(page.partId)?.sealed ?? (await this.#storedPage(page.partId, written))
      return sealed === undefined ? undefined : openExtentPage({ tenantId, ...key }, page, sealed)
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt') && !isAgentfsError(error, 'not_found')) throw error
      const unread = { object: `page ${page.partId}`, problem: 'it is not as it was written' }
      this.#tools.losses.addUnread(tenantId, this.#target.agentId, [unread])
      return undefined
    }
  }

  /** A page that an earlier version made. */
  async #storedPage(partId: string, written: () => Promise<void>): Promise<Uint8Array | undefined> {
    const { agentId } = this.#target
    if (agentId === null) return undefined
    await written()
    const [row] = await this.#tools.database.withTenant(this.#scope, (tx) => findParts(tx, agentId, [partId]))
    if (row?.objectKey === null || row?.objectOffset === null || row === undefined) return undefined
    return this.#tools.bucket.getRange(row.objectKey, row.objectOffset, row.sealedLength)
  }
}
