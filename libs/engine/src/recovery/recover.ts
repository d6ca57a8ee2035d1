import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { SERVICE_TENANT_ID } from '@agentfs/crypto'
import {
  agentsToRestore,
  findStream,
  forgetRecoverySteps,
  liveObjectIds,
  type Database,
  type FoundObject,
  hasStreamsAcrossTenants,
  insertFoundObjects,
  insertUnreadObjects,
  markMissingHeads,
  missingHeads,
  noteRecoveryStep,
  type ObjectStore,
  restoreKeyOwners,
  recoveryStep,
  restoreKeys,
  saveTree,
  settleObjects,
  staleAllLedgers,
} from '@agentfs/storage'
import { rootOf } from '../agents/agents.js'
import { ownedObject } from '../checking/owned-object.js'
import { SYSTEM_CLOCK } from '../followers/follower-options.js'
import { partKey } from '../followers/object-keys.js'
import { Packer } from '../followers/packer.js'
import { Sweeper } from '../followers/sweeper.js'
import { KeyVault } from '../keys/key-vault.js'
import type { Clock, TenantResources } from '../ports.js'
import { Bucket, type FoundObjects } from './bucket.js'
import { keepErased } from './erased-tenant.js'
import { rebuildFromImage } from './rebuild-from-image.js'
import { makeOneHistory, packAll } from './one-history.js'
import { openEpoch } from './open-epoch.js'
import { provenKeys } from './proven-keys.js'
import { readLedger } from './read-ledger.js'
import { type RebuiltStream, StreamRebuilding } from './rebuild-stream.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'
import { restoreTenantCheckpoints } from './restore-checkpoints.js'
import { restorePrefixLists } from './restore-prefixes.js'
import { sideBySide } from './side-by-side.js'
import { Losses, type RecoveredTenant, type RecoveryReport } from './report.js'

/** What a recovery works with. */
export interface RecoverOptions {
  readonly database: Database
  readonly resources: TenantResources
  readonly clock?: Clock
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: RecoveryProgress) => void
}

/** Where a recovery is. */
export interface RecoveryProgress {
  readonly tenant: string
  readonly tenants: number
  readonly agents: number
  readonly records: number
}

type StreamOf = Omit<StreamToRebuild, keyof FoundObjects>

const SERVICE = mintTenantScope(SERVICE_TENANT_ID)
const NOTHING = { agents: 0, commits: 0, records: 0, versions: 0, parts: 0, orphans: 0 }
const OBJECTS_AT_ONCE = 1_000
const HEADS_MAX = 1_000
/** While the rows of one are written, others are read and opened; each holds a batch or two in memory. */
const AGENTS_AT_ONCE = 3

/** Where the database stands before a recovery: it takes an empty one, or one that a recovery left unfinished. */
export async function databaseForRecovery(database: Database): Promise<'empty' | 'unfinished' | 'in use'> {
  const step = await database.withTenant(SERVICE, (tx) => recoveryStep(tx, SERVICE_TENANT_ID))
  if (step === 'keys') return 'unfinished'
  return (await hasStreamsAcrossTenants(database)) ? 'in use' : 'empty'
}

/** Ids of the tenants that an object store holds anything of; the service's own secrets are none. */
export async function* tenantsInBucket(store: ObjectStore): AsyncGenerator<string> {
  for await (const tenantId of Bucket.all(store).tenants()) if (tenantId !== SERVICE_TENANT_ID) yield tenantId
}

/**
 * Rebuilds the service's rows from its bucket, its key ledger and the KMS [DUR-6]: tenants, people, keys, agents, trees,
 * versions, pushes and logs, up to the last stored commit of each stream; then opens a new epoch of each. May be killed
 * anywhere and run again. What cannot be had is in the report, and reads as damaged or erased.
 */
export async function recover(options: RecoverOptions): Promise<RecoveryReport> {
  return new Recovery(options).run()
}

/**
 * Brings a database that is older than its bucket up to it [DUR-6], as `recover` does, from each stream's head on. What only
 * the database has stays, and is stored; where the bucket's history left it behind, the bucket's counts, and the report says
 * what was dropped. Nothing else may write meanwhile. May be killed anywhere and run again.
 */
export async function rollForward(options: RecoverOptions): Promise<RecoveryReport> {
  const { database } = options
  if ((await databaseForRecovery(database)) === 'in use') {
    for await (const scope of new Sweeper({ database }).tenantsAcrossTenants())
      await database.withTenant(scope, (tx) => forgetRecoverySteps(tx))
  }
  return recover(options)
}

class Recovery {
  readonly #options: RecoverOptions
  readonly #clock: Clock
  readonly #vault: KeyVault
  readonly #packer: Packer
  readonly #losses = new Losses()
  readonly #tenants: RecoveredTenant[] = []
  #tenant = ''
  #agents = 0
  #records = 0

  constructor(options: RecoverOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#vault = new KeyVault(options.database, options.resources)
    this.#packer = new Packer({
      database: options.database,
      resources: options.resources,
      clock: this.#clock,
    })
  }

  async run(): Promise<RecoveryReport> {
    const { database, resources } = this.#options
    await database.withTenant(SERVICE, (tx) => noteRecoveryStep(tx, SERVICE_TENANT_ID, 'keys', this.#now()))
    const bucket = await Bucket.of(resources, SERVICE)
    const stored = new Set<string>()
    for await (const tenantId of bucket.tenants()) {
      if (tenantId === SERVICE_TENANT_ID) continue
      stored.add(tenantId)
      await this.#recoverTenant(mintTenantScope(tenantId))
    }
    for await (const scope of new Sweeper({ database }).tenantsAcrossTenants())
      if (!stored.has(scope.tenantId)) await this.#recoverTenant(scope)
    await database.withTenant(SERVICE, (tx) => noteRecoveryStep(tx, SERVICE_TENANT_ID, 'done', this.#now()))
    const { list: losses, count: lossCount, notes } = this.#losses
    return { tenants: this.#tenants, losses, lossCount, notes }
  }

  async #recoverTenant(scope: TenantScope): Promise<void> {
    const { database, resources } = this.#options
    const { tenantId } = scope
    this.#tenant = tenantId
    this.#report()
    const bucket = await Bucket.of(resources, scope)
    const tools = this.#tools(bucket)
    const ledger = await readLedger(bucket, scope)
    if (await keepErased({ database, resources, clock: this.#clock }, scope, ledger, this.#options.signal)) {
      this.#tenants.push({ tenant: tenantId, ...NOTHING })
      return
    }
    this.#losses.addUnread(tenantId, null, ledger.unread)
    const { kms } = await resources.resolve(scope)
    const keyRows = await provenKeys(kms, scope, ledger.copies, this.#losses)
    await database.withTenant(scope, async (tx) => {
      await restoreKeys(tx, keyRows, this.#now())
      await insertFoundObjects(tx, ledger.objects, this.#now())
      // Which piece still holds an erased key, or one as it was wrapped before, no row can tell any more: all are rewritten.
      await staleAllLedgers(tx)
    })
    const done = { ...NOTHING }
    const add = (stream: RebuiltStream): void => {
      done.records += stream.records
      done.versions += stream.versions
      done.parts += stream.parts
    }
    const target = { streamId: tenantId, kind: 'tenant', agentId: null, rootId: null } as const
    const own = await this.#foundOneHistory(tools, scope, [target])
    const rebuilt = await new StreamRebuilding(tools, scope, { ...target, ...own }).run()
    add(rebuilt)
    if ((await this.#headSeq(scope, tenantId)) === 0) {
      const detail = 'nothing of its own stream is stored: who it is cannot be told'
      this.#losses.add({ kind: 'unknown', tenant: tenantId, detail })
    }
    done.orphans += await this.#settle(scope, null, [tenantId])
    const agents = await database.withTenant(scope, (tx) => agentsToRestore(tx))
    await sideBySide(agents, AGENTS_AT_ONCE, async (agent) => {
      const streams = await this.#recoverAgent(tools, scope, agent)
      done.agents++
      done.commits += streams.commits
      done.orphans += streams.orphans
      for (const stream of streams.rebuilt) add(stream)
    })
    const known = new Set(agents.map(({ agentId }) => agentId))
    for await (const agentId of bucket.agents(scope)) {
      if (known.has(agentId)) continue
      const detail = "the tenant's own stream does not name it; its objects stay where they are"
      this.#losses.add({ kind: 'unknown', tenant: tenantId, agent: agentId, detail })
    }
    await restoreTenantCheckpoints(tools, scope, bucket, this.#now())
    await this.#fork(scope, tenantId, rebuilt.lastEpoch)
    this.#tenants.push({ tenant: tenantId, ...done })
  }

  async #recoverAgent(
    tools: RebuildTools,
    scope: TenantScope,
    agent: Awaited<ReturnType<typeof agentsToRestore>>[number],
  ): Promise<{ rebuilt: RebuiltStream[]; commits: number; orphans: number }> {
    const { agentId, rootId, readsStreamId } = agent
    const { database } = this.#options
    if (await this.#isDone(scope, readsStreamId)) return { rebuilt: [], commits: 0, orphans: 0 }
    const own = { streamId: agentId, kind: 'agent', agentId, rootId } as const
    const reading = { ...own, streamId: readsStreamId, kind: 'reads' } as const
    const found = await this.#foundOneHistory(tools, scope, [own, reading])
    const imaged = await rebuildFromImage(tools, scope, { ...own, ...found })
    await database.withTenant(scope, async (tx) => {
      if ((await recoveryStep(tx, agentId)) !== undefined) return
      if (((await findStream(tx, agentId))?.headSeq ?? 0) > 0) return
      const delta = { nodes: [rootOf(agent, agent.createdAt)], entries: [], aliases: [] }
      await saveTree(tx, agentId, delta, new Map(), { seq: 0, at: agent.createdAt })
      await noteRecoveryStep(tx, agentId, 'fold', this.#now())
    })
    const commits = await new StreamRebuilding(tools, scope, { ...own, ...found }).run()
    const reads = await new StreamRebuilding(tools, scope, { ...reading, ...found }).run()
    await restorePrefixLists(tools, scope, agentId, found.prefixLists)
    await database.withTenant(scope, (tx) => restoreKeyOwners(tx, agentId))
    await this.#reportHeads(scope, agentId)
    const orphans = await this.#settle(scope, agentId, [agentId, readsStreamId])
    // Nobody writes to what is deleted: its log ends where it ended.
    if (agent.deletedAt === null) {
      await this.#fork(scope, agentId, commits.lastEpoch)
      await this.#fork(scope, readsStreamId, reads.lastEpoch)
    }
    this.#agents++
    this.#report()
    return { rebuilt: [imaged, commits, reads], commits: imaged.records + commits.records, orphans }
  }

  /** What an owner has in the bucket, once its rows are a beginning of that. */
  async #foundOneHistory(
    tools: RebuildTools,
    scope: TenantScope,
    streams: readonly [StreamOf, ...StreamOf[]],
  ): Promise<FoundObjects> {
    const { bucket } = tools
    const [{ streamId, agentId }] = streams
    const found = await this.#found(scope, bucket, agentId)
    const step = await this.#options.database.withTenant(scope, (tx) => recoveryStep(tx, streamId))
    if (step !== undefined) return found
    const targets = streams.map((stream) => ({ ...stream, ...found }))
    const written = await makeOneHistory(tools, this.#packer, scope, targets)
    const now = written ? await this.#found(scope, bucket, agentId) : found
    await this.#reportGone(
      scope,
      agentId,
      streams.map((stream) => stream.streamId),
      now,
    )
    return now
  }

  /** Objects that rows count on and the bucket has no more: the backup is older than the grace time of the collector. */
  async #reportGone(
    scope: TenantScope,
    agent: string | null,
    streamIds: readonly string[],
    found: FoundObjects,
  ): Promise<void> {
    const there = new Set([...objectsOf(scope, agent, found)].map(({ objectId }) => objectId))
    const known = await this.#options.database.withTenant(scope, (tx) => liveObjectIds(tx, streamIds))
    const gone = known.filter(({ objectId }) => !there.has(objectId))
    const problem = 'rows count on it, and it is not in the bucket any more'
    this.#losses.addUnread(
      scope.tenantId,
      agent,
      gone.map(({ objectKey }) => ({ object: objectKey, problem })),
    )
  }

  /** Lists an owner's objects, and gives them their rows. */
  async #found(scope: TenantScope, bucket: Bucket, agentId: string | null): Promise<FoundObjects> {
    const found = await bucket.objects(scope, agentId)
    this.#losses.addUnread(scope.tenantId, agentId, found.unread)
    const insert = (objects: readonly FoundObject[]): Promise<void> =>
      this.#options.database.withTenant(scope, (tx) => insertFoundObjects(tx, objects, this.#now()))
    let waiting: FoundObject[] = []
    for (const object of objectsOf(scope, agentId, found)) {
      waiting.push(object)
      if (waiting.length < OBJECTS_AT_ONCE) continue
      await insert(waiting)
      waiting = []
    }
    if (waiting.length > 0) await insert(waiting)
    const unread = found.unread.flatMap(({ object: objectKey, size }) => {
      const owned = size === undefined ? undefined : ownedObject(scope, objectKey)
      return size === undefined || owned === undefined ? [] : [{ ...owned, objectKey, size }]
    })
    await this.#options.database.withTenant(scope, (tx) => insertUnreadObjects(tx, unread, this.#now()))
    return found
  }

  async #reportHeads(scope: TenantScope, agentId: string): Promise<void> {
    await this.#options.database.withTenant(scope, async (tx) => {
      for (const head of await missingHeads(tx, agentId, HEADS_MAX)) {
        const name = head.name === null ? head.nodeId : Buffer.from(head.name).toString('utf8')
        const what = head.versionThere ? 'some of its parts are' : 'its newest version is'
        const detail = `${name} (node ${head.nodeId}, version ${head.versionId}): ${what} not in the bucket`
        this.#losses.add({ kind: 'head', tenant: scope.tenantId, agent: agentId, detail })
      }
      await markMissingHeads(tx, agentId)
    })
  }

  #settle(scope: TenantScope, agentId: string | null, streamIds: readonly string[]): Promise<number> {
    return this.#options.database.withTenant(scope, (tx) =>
      settleObjects(tx, { agentId, streamIds }, this.#now()),
    )
  }

  /**
   * Opens a stream's new epoch and stores its start at once: a second recovery must see it, or it would give the same number
   * to another history.
   */
  async #fork(scope: TenantScope, streamId: string, lastEpoch: number): Promise<void> {
    const { database } = this.#options
    const opened = await database.withTenant(scope, async (tx) => {
      const [step, streams] = await Promise.all([
        recoveryStep(tx, streamId),
        tx.query`select 1 as one from streams where tenant_id = ${tx.tenantId} and stream_id = ${streamId}`,
      ])
      if (streams.length === 0 || step === 'done') return false
      if (step !== 'forked') {
        if (!(await openEpoch(tx, this.#vault, streamId, lastEpoch + 1, this.#now()))) {
          const detail = `stream ${streamId}: its key is in no piece of the ledger, and nothing can be added to it`
          this.#losses.add({ kind: 'key', tenant: scope.tenantId, detail })
          return false
        }
        await noteRecoveryStep(tx, streamId, 'forked', this.#now())
      }
      return true
    })
    if (!opened) return
    await packAll(this.#packer, scope, streamId, this.#options.signal)
    await database.withTenant(scope, (tx) => noteRecoveryStep(tx, streamId, 'done', this.#now()))
  }

  #isDone(scope: TenantScope, streamId: string): Promise<boolean> {
    return this.#options.database.withTenant(
      scope,
      async (tx) => (await recoveryStep(tx, streamId)) === 'done',
    )
  }

  async #headSeq(scope: TenantScope, streamId: string): Promise<number> {
    const stream = await this.#options.database.withTenant(scope, (tx) => findStream(tx, streamId))
    return stream?.headSeq ?? 0
  }

  #tools(bucket: Bucket): RebuildTools {
    const { database, signal } = this.#options
    return {
      database,
      vault: this.#vault,
      bucket,
      losses: this.#losses,
      clock: this.#clock,
      onCommits: (count) => {
        this.#records += count
        this.#report()
      },
      ...(signal === undefined ? {} : { signal }),
    }
  }

  #report(): void {
    const { onProgress } = this.#options
    onProgress?.({
      tenant: this.#tenant,
      tenants: this.#tenants.length,
      agents: this.#agents,
      records: this.#records,
    })
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

function* objectsOf(scope: TenantScope, agentId: string | null, found: FoundObjects): Generator<FoundObject> {
  for (const { key, size, header } of found.segments) {
    const { segmentId, streamId, epoch, firstSeq, lastSeq } = header
    yield {
      objectId: segmentId,
      streamId,
      kind: 'segment',
      objectKey: key,
      size,
      checksum: null,
      epoch,
      firstSeq,
      lastSeq,
    }
  }
  if (agentId === null) return
  for (const { partId, objectId, size } of found.parts.all()) {
    const objectKey = partKey(scope, agentId, partId, objectId)
    const place = { epoch: 0, firstSeq: 0, lastSeq: 0 }
    yield { objectId, streamId: agentId, kind: 'part', objectKey, size, checksum: null, ...place }
  }
  for (const { key: objectKey, objectId, size } of found.prefixLists) {
    const place = { epoch: 0, firstSeq: 0, lastSeq: 0 }
    yield { objectId, streamId: agentId, kind: 'prefixes', objectKey, size, checksum: null, ...place }
  }
  for (const { key: objectKey, objectId, size } of found.images) {
    const place = { epoch: 0, firstSeq: 0, lastSeq: 0 }
    yield { objectId, streamId: agentId, kind: 'tree', objectKey, size, checksum: null, ...place }
  }
}
