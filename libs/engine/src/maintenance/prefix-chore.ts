import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import {
  type Database,
  findKeys,
  findStream,
  findVersions,
  type NewObject,
  ObjectRowsStore,
  type PrefixPlan,
  PrefixStore,
  RetentionStore,
  type RunVersion,
} from '@agentfs/storage'
import { sealPrefixList } from '../content/prefix-list.js'
import type { CrashPoints } from '../followers/crash-points.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { prefixesKey } from '../followers/object-keys.js'
import { TenantObjects } from '../followers/tenant-objects.js'
import { KeyVault, type UsableKey } from '../keys/key-vault.js'
import type { OpenedVersion } from '../reads/version-opener.js'
import type { Chore, ChoreRequest, ChoreStep } from './chore.js'
import { PrefixProof } from './prefix-proof.js'
import { firstRun, RUN_MIN } from './prefix-run.js'

const ZERO_ID = '00000000-0000-0000-0000-000000000000'
/** Versions that are younger may be the base of what a client writes next. */
const AGE_MS_MIN = 3_600_000
/** Versions that one step looks at; what it holds in memory is some rows of each. */
const BATCH = 2_048
/** Manifests that are opened at once. */
const OPENED_AT_ONCE = 16

/** What making prefixes works on. */
export interface PrefixOptions extends FollowerOptions {
  readonly crashPoints?: CrashPoints
}

/**
 * Keeps the old versions of a file that was only appended to as beginnings of a later one: their manifests, and the parts
 * that only they name, go. Each is proven to be the beginning of the next by its bytes, not by what a record says. Which
 * versions these are stands as a sealed list in the object store before a row is changed. The object row is committed before
 * the PUT: a crash anywhere leaves either the old or the new, and an object for the collector.
 */
export class PrefixChore implements Chore {
  readonly name = 'prefixes'
  readonly counted = ['prefixes', 'partsFreed', 'releasedBytes', 'objectsDead', 'listBytes', 'lost']
  readonly #database: Database
  readonly #agents: RetentionStore
  readonly #store: PrefixStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #vault: KeyVault
  readonly #proof: PrefixProof
  readonly #nowMs: () => number
  readonly #crashPoints: CrashPoints

  constructor(options: PrefixOptions) {
    const { database, resources, clock = SYSTEM_CLOCK } = options
    this.#database = database
    this.#agents = new RetentionStore(database)
    this.#store = new PrefixStore(database)
    this.#objectRows = new ObjectRowsStore(database)
    this.#objects = new TenantObjects(resources)
    this.#vault = new KeyVault(database, resources)
    this.#proof = new PrefixProof(database, resources)
    this.#nowMs = () => clock.now()
    this.#crashPoints = options.crashPoints ?? (() => undefined)
  }

  /** One run of one file. `resume` is the agent, the file, and the number of the version to go on from. */
  async step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep> {
    const [at, node, number] = request.resume?.split('/') ?? []
    const agent =
      request.agentId !== null
        ? await this.#agents.agent(scope, request.agentId, false)
        : await this.#agents.agent(scope, at ?? ZERO_ID, node === undefined)
    if (agent === undefined) return { counts: {}, resume: null }
    const { agentId } = agent
    const before = new Date(this.#nowMs() - AGE_MS_MIN)
    const nodeId =
      number === undefined
        ? await this.#store.nextNode(scope, agentId, node ?? ZERO_ID, { before, versionsMin: RUN_MIN })
        : node
    if (nodeId === undefined) {
      if (!request.dryRun) await this.#store.dropNeedless(scope, agentId, new Date(this.#nowMs()))
      return { counts: {}, resume: request.agentId === null ? agentId : null }
    }
    const versions = await this.#store.versionsFrom(scope, agentId, nodeId, Number(number ?? 0), {
      before,
      limit: BATCH,
    })
    const { run, next } = firstRun(versions)
    // A batch that was not full is the file's last.
    const done = next === undefined && versions.length < BATCH
    const nextNumber = next ?? versions.at(-1)?.number
    const behind =
      done || nextNumber === undefined ? `${agentId}/${nodeId}` : `${agentId}/${nodeId}/${nextNumber}`
    if (run === undefined) return { counts: {}, resume: behind }
    const keys = await this.#keysOf(scope, agentId, run)
    if (keys === undefined) return { counts: {}, resume: behind }
    const proven = await this.#proven(scope, agentId, run, keys.content, request.signal)
    const target = proven.at(-1)
    if (target === undefined || proven.length < RUN_MIN) return { counts: {}, resume: behind }
    // What is not the beginning of the next ends a run: the next one may begin there.
    const resume = target === run.at(-1) ? behind : `${agentId}/${nodeId}/${target.number}`
    const ids = proven.slice(0, -1).map(({ versionId }) => versionId)
    if (request.dryRun) return { counts: { prefixes: ids.length }, resume }
    const plan = await this.#store.plan(scope, agentId, target.versionId, ids)
    const counts = await this.#carryOut(scope, plan, keys.stream, request.signal)
    return { counts, resume }
  }

  /** The first versions of a run, enough of them, in which each is the beginning of the next, byte for byte. */
  async #proven(
    scope: TenantScope,
    agentId: string,
    run: readonly RunVersion[],
    keys: ReadonlyMap<string, UsableKey>,
    signal: AbortSignal | undefined,
  ): Promise<RunVersion[]> {
    let proven: RunVersion[] = []
    let last: OpenedVersion | undefined
    for (let from = 0; from < run.length; from += OPENED_AT_ONCE) {
      signal?.throwIfAborted()
      const some = run.slice(from, from + OPENED_AT_ONCE)
      const ids = some.map(({ versionId }) => versionId)
      const rows = await this.#database.withTenant(scope, (tx) => findVersions(tx, agentId, ids))
      const byId = new Map(rows.map((row) => [row.versionId, row]))
      const opened = await Promise.all(
        ids.map(async (id) => this.#proof.open(scope, agentId, byId.get(id), keys)),
      )
      for (const [index, version] of some.entries()) {
        const content = opened[index]
        if (!(await this.#proof.begins(scope, agentId, last, content))) {
          if (proven.length >= RUN_MIN) return proven
          proven = []
        }
        if (content !== undefined) proven.push(version)
        last = content
      }
    }
    return proven
  }

  async #carryOut(
    scope: TenantScope,
    plan: PrefixPlan,
    key: UsableKey,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, number>> {
    const { agentId, targetId, rows } = plan
    const objectId = uuidv7()
    const sealed = sealPrefixList(scope.tenantId, key, objectId, targetId, rows)
    const objectKey = prefixesKey(scope, agentId, targetId, objectId)
    const object: NewObject = {
      objectId,
      streamId: agentId,
      kind: 'prefixes',
      objectKey,
      epoch: 0,
      firstSeq: 0,
      lastSeq: 0,
    }
    await this.#objectRows.insertWriting(scope, [object], this.#now())
    await this.#crashPoints('claimed')
    try {
      await this.#objects.create(scope, objectKey, sealed, signal)
    } catch (error) {
      await this.#objectRows.giveUp(scope, [objectId], this.#now()).catch(() => undefined)
      throw error
    }
    await this.#crashPoints('segment-put')
    const checksum = createHash('sha256').update(sealed).digest()
    const list = { objectId, size: sealed.length, checksum }
    const done = await this.#store.switchTo(scope, plan, list, this.#now())
    await this.#crashPoints('switched')
    if (done === undefined) return { lost: 1 }
    const { versions, parts, bytes, objectsDead } = done
    return {
      prefixes: versions,
      partsFreed: parts,
      releasedBytes: bytes,
      objectsDead,
      listBytes: sealed.length,
    }
  }

  /** The keys of a run's contents and of the agent's stream; undefined where some were erased. */
  async #keysOf(
    scope: TenantScope,
    agentId: string,
    run: readonly RunVersion[],
  ): Promise<{ content: ReadonlyMap<string, UsableKey>; stream: UsableKey } | undefined> {
    const { keyRows, streamKeyId } = await this.#database.withTenant(scope, async (tx) => {
      const found = await findStream(tx, agentId)
      const keyIds = [...new Set(run.map(({ keyId }) => keyId))]
      const ids = found === undefined ? keyIds : [...keyIds, found.keyId]
      return { keyRows: await findKeys(tx, ids), streamKeyId: found?.keyId }
    })
    const content = await this.#vault.unwrap(scope, keyRows)
    const stream = streamKeyId === undefined ? undefined : content.get(streamKeyId)
    const all = run.every(({ keyId }) => content.has(keyId))
    return stream === undefined || !all ? undefined : { content, stream }
  }

  #now(): Date {
    return new Date(this.#nowMs())
  }
}
