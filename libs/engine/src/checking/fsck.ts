import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import {
  type CheckedObject,
  CheckStore,
  type Database,
  findAffectedFile,
  type KeyLedgerRows,
  openSegmentIndex,
} from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { decodeKeyLedger } from '../followers/key-ledger-format.js'
import { ledgerKey, tenantPrefix } from '../followers/object-keys.js'
import type { Clock, TenantResources } from '../ports.js'
import { checkCheckpoints } from './checkpoint-check.js'
import type { Finding, Problem } from './finding.js'
import { checkLog } from './log-check.js'
import { ObjectCheck, stagedCheck } from './object-check.js'
import { ownedObject } from './owned-object.js'

const PAGE = 500
const STAGED_PAGE = 100

/** What is looked at. */
export interface FsckOptions {
  /** One agent's streams and files only. */
  readonly agentId?: string
  /** Rows, listings and logs only: no object is read. */
  readonly quick?: boolean
  /** Called after each object. */
  readonly onProgress?: (done: { readonly objects: number; readonly bytes: number }) => void
}

/**
 * Proves that every byte that a tenant's rows promise is there, opens and matches, and names all that is not [DUR-1], [ENC-2].
 * Reads only, and may run beside the service; what followers moved meanwhile is looked at again before it is called wrong.
 * Memory: one object at a time, and 16 bytes for each key in the ledger.
 */
export class Fsck {
  readonly #database: Database
  readonly #store: CheckStore
  readonly #objects: ObjectCheck
  readonly #staged: ReturnType<typeof stagedCheck>
  readonly #resources: TenantResources
  readonly #clock: Clock

  constructor({ database, resources, clock = SYSTEM_CLOCK }: FollowerOptions) {
    this.#database = database
    this.#store = new CheckStore(database)
    this.#objects = new ObjectCheck(database, resources)
    this.#staged = stagedCheck(database, resources)
    this.#resources = resources
    this.#clock = clock
  }

  /** Checks a tenant; yields what it finds as it finds it. Throws what may pass: an object store or KMS that is away. */
  async *checkTenant(scope: TenantScope, options: FsckOptions = {}): AsyncGenerator<Finding> {
    const { agentId = null, quick = false } = options
    const { tenantId } = scope
    if (await this.#store.isErased(scope)) {
      yield* this.#checkErased(scope)
      return
    }
    const inRow = (problem: string, kind: Finding['kind'] = 'damaged'): Finding => ({
      kind,
      tenantId,
      object: 'postgres',
      problem,
    })
    for (const { what, id, agentId: agent } of await this.#store.problems(scope, agentId)) {
      yield { ...inRow(`${what} (${id})`, 'missing'), ...(agent === null ? {} : { agentId: agent }) }
    }
    for (const stream of await this.#store.streams(scope, agentId)) {
      const problem = await checkLog(this.#store, scope, stream)
      if (problem !== undefined) yield inRow(`stream ${stream.streamId}: ${problem}`)
    }
    const ledgered = new Set<string>()
    yield* this.#checkObjects(scope, options, ledgered)
    if (agentId === null) yield* checkCheckpoints(this.#store, this.#resources, scope, quick)
    if (quick) return
    for await (const rows of this.#store.staged(scope, agentId, STAGED_PAGE)) {
      for await (const problem of this.#staged(scope, rows)) yield findingOf(tenantId, 'postgres', problem)
    }
    // An agent's key may stand in a piece of another stream: only with all pieces read is it known to be in none.
    if (agentId === null) yield* this.#checkKeys(scope, ledgered)
  }

  /** Of an erased tenant one thing counts: that the bucket tells so, for as long as it has anything of it [ENC-3]. */
  async *#checkErased(scope: TenantScope): AsyncGenerator<Finding> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    const prefix = ledgerKey(scope, '')
    for await (const { key } of objectStore.list(objectPrefix + prefix)) {
      const rows = await readPiece(scope, key.slice(objectPrefix.length), () => objectStore.get(key))
      if (rows?.tombstones.some(({ keyId }) => keyId === scope.tenantId) === true) return
    }
    const problem =
      'the tenant was erased, and no piece of its ledger says so: a recovery would bring it back'
    yield { kind: 'missing', tenantId: scope.tenantId, object: prefix, problem }
  }

  /** Walks the bucket and the rows side by side, both in the order of their keys. */
  async *#checkObjects(
    scope: TenantScope,
    options: FsckOptions,
    ledgered: Set<string>,
  ): AsyncGenerator<Finding> {
    const { agentId = null, quick = false, onProgress } = options
    const { tenantId } = scope
    const done = { objects: 0, bytes: 0 }
    const rows = this.#rows(scope, agentId)
    const listed = this.#listing(scope)
    let row = await next(rows)
    let found = await next(listed)
    while (row !== undefined || found !== undefined) {
      const order = compare(row?.objectKey, found?.key)
      if (order > 0 && found !== undefined) {
        if (agentId === null) yield* this.#unknown(scope, found.key, found.size)
        found = await next(listed)
        continue
      }
      if (row?.state === 'live') {
        if (quick) {
          for (const finding of quickly(tenantId, row, order < 0 ? undefined : found?.size))
            yield await this.#withFile(scope, row, finding)
        } else {
          const { bytes, problems, ledger } = await this.#objects.check(scope, row)
          for (const problem of problems)
            yield await this.#withFile(scope, row, findingOf(tenantId, row.objectKey, problem))
          for (const { keyId } of ledger?.keys ?? []) ledgered.add(compact(keyId))
          done.bytes += bytes
        }
        done.objects += 1
        onProgress?.({ ...done })
      }
      row = await next(rows)
      if (order === 0) found = await next(listed)
    }
  }

  /** Says which file needs what was found, where one does. */
  async #withFile(scope: TenantScope, { objectId }: CheckedObject, finding: Finding): Promise<Finding> {
    const { agentId, versionId } = finding
    const one = agentId === undefined || versionId === undefined ? null : { agentId, versionId }
    const file = await this.#database.readTenant(scope, (tx) => findAffectedFile(tx, objectId, one))
    return file === undefined ? finding : { ...finding, file }
  }

  /** Something in the bucket without a row: what a writer left behind, or what a restored database does not know any more. */
  async *#unknown(scope: TenantScope, key: string, bytes: number): AsyncGenerator<Finding> {
    const object = ownedObject(scope, key)
    // Written since the rows were read, or none of ours.
    if (object === undefined || (await this.#store.object(scope, key)) !== undefined) return
    const ageMs = this.#clock.now() - object.createdAtMs
    const finding = { tenantId: scope.tenantId, object: key, bytes, ageMs }
    const ahead = object.kind === 'segment' ? await this.#ahead(scope, key, bytes) : undefined
    if (ahead !== undefined) yield { kind: 'ahead', ...finding, problem: ahead }
    else yield { kind: 'orphan', ...finding, problem: 'no row knows it; the collector deletes it in time' }
  }

  async #ahead(scope: TenantScope, key: string, bytes: number): Promise<string | undefined> {
    try {
      const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
      const readRange = (offset: number, length: number) =>
        objectStore.getRange(objectPrefix + key, offset, length)
      const { header } = await openSegmentIndex(readRange, bytes, key)
      const streams = await this.#store.streams(scope, null)
      const stream = streams.find(({ streamId }) => streamId === header.streamId)
      const { epoch, firstSeq, lastSeq } = header
      const stored = stream === undefined ? [0, 0] : [stream.storedEpoch, stream.storedSeq]
      const [storedEpoch = 0, storedSeq = 0] = stored
      if (epoch < storedEpoch || (epoch === storedEpoch && lastSeq <= storedSeq)) return undefined
      return `holds ${firstSeq} to ${lastSeq} of stream ${header.streamId} (epoch ${epoch}), beyond ${storedSeq} that the database knows`
    } catch (error) {
      if (isAgentfsError(error, 'object_corrupt') || isAgentfsError(error, 'not_found')) return undefined
      throw error
    }
  }

  async *#checkKeys(scope: TenantScope, ledgered: ReadonlySet<string>): AsyncGenerator<Finding> {
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const keyIds = await this.#store.storedKeys(scope, after, PAGE)
      for (const keyId of keyIds) {
        if (ledgered.has(compact(keyId))) continue
        const problem = `key ${keyId} seals what is stored, and is in no piece of the key ledger`
        yield { kind: 'missing', tenantId: scope.tenantId, object: 'postgres', problem }
      }
      const last = keyIds.at(-1)
      if (last === undefined || keyIds.length < PAGE) return
      after = last
    }
  }

  async *#rows(scope: TenantScope, agentId: string | null): AsyncGenerator<CheckedObject, undefined> {
    for (let after = ''; ;) {
      const page = await this.#store.objects(scope, after, PAGE, agentId)
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return
      after = last.objectKey
    }
  }

  async *#listing(scope: TenantScope): AsyncGenerator<{ key: string; size: number }, undefined> {
    const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
    for await (const { key, size } of objectStore.list(`${objectPrefix}${tenantPrefix(scope)}/`)) {
      yield { key: key.slice(objectPrefix.length), size }
    }
  }
}

/** A piece of the ledger; undefined where it went meanwhile, or is none. */
async function readPiece(
  scope: TenantScope,
  objectKey: string,
  read: () => Promise<Uint8Array>,
): Promise<KeyLedgerRows | undefined> {
  try {
    return decodeKeyLedger(scope.tenantId, objectKey, await read())
  } catch (error) {
    if (isAgentfsError(error, 'object_corrupt') || isAgentfsError(error, 'not_found')) return undefined
    throw error
  }
}

/** Whether a finding means that something is wrong. */
export function isFault({ kind }: Finding): boolean {
  return kind !== 'orphan'
}

function* quickly(tenantId: string, row: CheckedObject, size: number | undefined): Generator<Finding> {
  const finding = { tenantId, object: row.objectKey }
  if (size === undefined) yield { kind: 'missing', ...finding, problem: 'the object is not there' }
  else if (row.size !== 0 && row.size !== size) {
    yield { kind: 'damaged', ...finding, problem: `has ${size} bytes, not ${row.size}` }
  }
}

function findingOf(tenantId: string, object: string, problem: Problem): Finding {
  return { tenantId, object, ...problem }
}

async function next<T>(items: AsyncGenerator<T, undefined>): Promise<T | undefined> {
  const { value } = await items.next()
  return value
}

/** As the store lists: by bytes; what is not there comes last. */
function compare(one: string | undefined, other: string | undefined): number {
  if (one === undefined) return 1
  if (other === undefined) return -1
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function compact(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('latin1')
}
