import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { freeBytes, isAgentfsError } from '@agentfs/contracts'
import {
  type CheckedObject,
  type CheckedPart,
  type CheckedRecord,
  type CheckedRows,
  CheckStore,
  type CheckedVersion,
  type Database,
  type KeyLedgerRows,
  type ParsedSegment,
  parseSegment,
} from '@agentfs/storage'
import { decodeKeyLedger } from '../followers/key-ledger-format.js'
import type { TenantResources } from '../ports.js'
import { type Problem, problemOf } from './finding.js'
import { RowCheck } from './row-check.js'

const NOT_AS_WRITTEN = 'its bytes are not those that were written (SHA-256)'

/** What became of the check of one object. */
export interface CheckedBytes {
  readonly bytes: number
  readonly problems: readonly Problem[]
  /** What a piece of the key ledger holds. */
  readonly ledger?: KeyLedgerRows
}

/** Reads one live object back, whole, and holds it against every row that points into it. */
export class ObjectCheck {
  readonly #store: CheckStore
  readonly #rows: RowCheck
  readonly #resources: TenantResources

  constructor(database: Database, resources: TenantResources) {
    this.#store = new CheckStore(database)
    this.#rows = new RowCheck(database, resources)
    this.#resources = resources
  }

  /** Checks an object. Throws only what may pass: `unavailable`, `kms_unavailable`. */
  async check(scope: TenantScope, object: CheckedObject): Promise<CheckedBytes> {
    let body: Uint8Array
    try {
      const { objectStore, objectPrefix } = await this.#resources.resolve(scope)
      body = await objectStore.get(objectPrefix + object.objectKey)
    } catch (error) {
      if (!isAgentfsError(error, 'not_found')) throw error
      return this.#again(scope, object, 0, [{ kind: 'missing', problem: 'the object is not there' }])
    }
    const problems: Problem[] = []
    let ledger: KeyLedgerRows | undefined
    try {
      if (object.kind === 'segment') {
        for await (const problem of this.#segment(scope, object, body)) problems.push(problem)
      } else if (object.kind === 'part') {
        for await (const problem of this.#part(scope, object, body)) problems.push(problem)
      } else if (object.kind === 'keys') {
        ledger = decodeKeyLedger(scope.tenantId, object.objectKey, body)
        if (!fits(body, object.checksum)) problems.push(damaged(NOT_AS_WRITTEN))
      } else if (!fits(body, object.checksum)) problems.push(damaged(NOT_AS_WRITTEN))
    } catch (error) {
      problems.push(damaged(problemOf(error)))
    }
    const bytes = body.length
    if (object.kind === 'part') freeBytes(body)
    const done = await this.#again(scope, object, bytes, problems)
    return ledger === undefined ? done : { ...done, ledger }
  }

  /** Problems count only where the object is still what it was when the check began: followers go on meanwhile. */
  async #again(
    scope: TenantScope,
    object: CheckedObject,
    bytes: number,
    problems: readonly Problem[],
  ): Promise<CheckedBytes> {
    if (problems.length === 0) return { bytes, problems }
    const now = await this.#store.object(scope, object.objectKey)
    const same = now?.state === object.state && now.liveBytes === object.liveBytes
    return { bytes, problems: same ? problems : [] }
  }

  async *#segment(scope: TenantScope, object: CheckedObject, body: Uint8Array): AsyncGenerator<Problem> {
    const segment = parseSegment(body, object.objectKey)
    if (segment.header.tenantId !== scope.tenantId || segment.header.streamId !== object.streamId) {
      yield damaged('the header is that of another stream')
    }
    const footerHash = createHash('sha256').update(body.subarray(0, -64)).digest()
    if (object.checksum !== null && !footerHash.equals(object.checksum)) {
      yield damaged('the segment is not the one that was stored: its SHA-256 is another')
    }
    const rows = await this.#store.rowsIn(scope, object.objectId)
    yield* misplaced(segment, rows)
    const live = liveBytes(rows)
    if (live !== object.liveBytes) {
      yield damaged(`the row counts ${object.liveBytes} live bytes, and ${live} are pointed at`)
    }
    const sealed = new Map(segment.entries.map((entry) => [entry.id, entry.sealed]))
    yield* this.#rows.check(scope, rows, (row) => sealed.get(entryId(row)))
  }

  async *#part(scope: TenantScope, object: CheckedObject, body: Uint8Array): AsyncGenerator<Problem> {
    const rows = await this.#store.rowsIn(scope, object.objectId)
    if (!fits(body, object.checksum)) yield damaged(NOT_AS_WRITTEN)
    for (const { partId, sealedLength } of rows.parts) {
      if (sealedLength !== body.length)
        yield damaged(`part ${partId} has ${sealedLength} sealed bytes, not ${body.length}`)
    }
    yield* this.#rows.check(scope, rows, () => body)
  }
}

/** What `check` finds of rows that wait in Postgres. */
export function stagedCheck(database: Database, resources: TenantResources) {
  const rows = new RowCheck(database, resources)
  return (scope: TenantScope, staged: CheckedRows): AsyncGenerator<Problem> =>
    rows.check(scope, staged, ({ sealed }) => sealed ?? undefined)
}

function damaged(problem: string): Problem {
  return { kind: 'damaged', problem }
}

function fits(body: Uint8Array, checksum: Uint8Array | null): boolean {
  return checksum === null || createHash('sha256').update(body).digest().equals(checksum)
}

function entryId(row: CheckedPart | CheckedVersion | CheckedRecord): string {
  if ('partId' in row) return row.partId
  return 'versionId' in row ? row.versionId : (row.blockId ?? row.recordId)
}

/** Rows whose bytes do not stand where they say. */
function* misplaced(segment: ParsedSegment, rows: CheckedRows): Generator<Problem> {
  const places = new Map(segment.entries.map((entry) => [entry.id, entry]))
  for (const row of [...rows.parts, ...rows.versions, ...rows.records]) {
    const entry = places.get(entryId(row))
    if (
      entry === undefined ||
      entry.offset !== row.objectOffset ||
      entry.length !== row.sealedLength ||
      entry.keyId !== row.keyId
    ) {
      yield damaged(`${entryId(row)} does not stand where its row says`)
    }
  }
}

/** Sealed bytes that rows point at; a block counts once. */
function liveBytes({ parts, versions, records }: CheckedRows): number {
  const entries = new Map(records.map((row) => [entryId(row), row]))
  return [...parts, ...versions, ...entries.values()].reduce((sum, { sealedLength }) => sum + sealedLength, 0)
}
