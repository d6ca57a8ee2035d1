import { createHash, randomBytes } from 'node:crypto'
import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { isAgentfsError, uuidv7 } from '@agentfs/contracts'
import type { Kms } from '@agentfs/crypto'
import {
  Database,
  eraseKeys,
  migrate,
  type ObjectStore,
  openFilesystemObjectStore,
  parseSegment,
  roleUrl,
} from '@agentfs/storage'
import {
  type PostgresCluster,
  startPostgres,
  temporaryDirectory,
  type TemporaryDirectory,
} from '@agentfs/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { TenantResources } from '../ports.js'
import { Collector } from './collector.js'
import { CRASH_POINTS, type CrashPoint } from './crash-points.js'
import { decodeKeyLedger } from './key-ledger-format.js'
import { PACK_BYTES_MAX } from './pack-plan.js'
import { type PackOutcome, Packer, type PackerOptions } from './packer.js'
import { Sweeper } from './sweeper.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }
const HOUR_MS = 3_600_000

/** Counts what reaches the store, and fails where it is told to. */
class CountingStore {
  puts = 0
  failing = false
  readonly #store: ObjectStore

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** The store with `putIfAbsent` counted. */
  counted(): ObjectStore {
    return new Proxy(this.#store, {
      get: (store, name) => {
        if (name !== 'putIfAbsent') {
          const value: unknown = Reflect.get(store, name)
          return typeof value === 'function' ? (value.bind(store) as unknown) : value
        }
        return (...call: Parameters<ObjectStore['putIfAbsent']>) => {
          this.puts++
          if (this.failing) return Promise.reject(new Error('the store is down'))
          return store.putIfAbsent(...call)
        }
      },
    })
  }
}

describe('the packer', () => {
  let cluster: PostgresCluster
  let database: Database
  let directory: TemporaryDirectory
  let files: ObjectStore
  let store: CountingStore
  let resources: TenantResources
  let scope: TenantScope
  let agentId: string
  let nowMs: number
  const clock = { now: () => nowMs }

  beforeAll(async () => {
    cluster = await startPostgres()
    const { url } = await cluster.createDatabase()
    await migrate({ url, passwords })
    database = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 6,
    })
    directory = await temporaryDirectory()
    files = await openFilesystemObjectStore(directory.path)
  })
  afterAll(async () => {
    await database.close()
    await cluster.stop()
    await directory.remove()
  })
  beforeEach(async () => {
    nowMs = Date.now()
    store = new CountingStore(files)
    const objectStore = store.counted()
    // The packer moves ciphertext: it must not ask for a KMS at all.
    const resolved = { objectStore, objectPrefix: 'bucket/', kms: undefined as unknown as Kms }
    resources = { resolve: () => Promise.resolve(resolved) }
    scope = mintTenantScope(uuidv7())
    agentId = uuidv7()
    await seedAgent()
  })

  const packer = (options: Partial<PackerOptions> = {}): Packer =>
    new Packer({ database, resources, clock, ...options })
  const collector = (): Collector => new Collector({ database, resources, clock })

  async function seedAgent(): Promise<void> {
    const [streamKey, root] = [uuidv7(), uuidv7()]
    await database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      void tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, 'tenant', now())`
      void tx.query`insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at)
        values (${tenantId}, 1, ${randomBytes(60)}, 'key-file', now())`
      void tx.query`insert into content_keys (tenant_id, key_id, purpose, agent_id, kek_version, wrapped, created_at)
        values (${tenantId}, ${streamKey}, 'stream', ${agentId}, 1, ${randomBytes(65)}, now())`
      void tx.query`insert into agents (tenant_id, agent_id, name, root_id, stream_key_id, created_at)
        values (${tenantId}, ${agentId}, 'agent', ${root}, ${streamKey}, now())`
      void tx.query`insert into streams (tenant_id, stream_id, kind, agent_id, key_id)
        values (${tenantId}, ${agentId}, 'agent', ${agentId}, ${streamKey})`
    })
  }

  /** One commit as the engine leaves it: a record, and `files` new files of one part each, whose hashes it gives. */
  async function commit(
    options: { files?: number; partBytes?: number } = {},
  ): Promise<{ seq: number; parts: Map<string, string>; keys: string[] }> {
    const parts = new Map<string, string>()
    const keys: string[] = []
    const seq = await database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const [head] = await tx.query<{ headSeq: number }>`update streams set head_seq = head_seq + 1
        where tenant_id = ${tenantId} and stream_id = ${agentId} returning head_seq`
      const { headSeq } = head!
      let bytes = 200
      for (let file = 0; file < (options.files ?? 1); file++) {
        const [node, key, version, part] = [uuidv7(), uuidv7(), uuidv7(), uuidv7()]
        const sealed = randomBytes(options.partBytes ?? 1_112)
        parts.set(part, sha256(sealed))
        keys.push(key)
        bytes += sealed.length + 300
        void tx.query`insert into content_keys (tenant_id, key_id, purpose, agent_id, node_id, kek_version, wrapped, created_at)
          values (${tenantId}, ${key}, 'content', ${agentId}, ${node}, 1, ${randomBytes(65)}, now())`
        void tx.query`insert into nodes (tenant_id, agent_id, node_id, kind, mode, uid, gid, mtime_sec, mtime_nsec, ctime_sec,
            ctime_nsec, created_at, modified_at, modified_by, seq)
          values (${tenantId}, ${agentId}, ${node}, 'file', 420, 0, 0, 0, 0, 0, 0, now(), now(), 'agent/a', ${headSeq})`
        void tx.query`insert into versions (tenant_id, agent_id, node_id, version_id, number, parents, author, size, content_mac,
            part_ids, key_id, epoch, seq, created_at, sealed, sealed_length)
          values (${tenantId}, ${agentId}, ${node}, ${version}, 1, '{}', 'agent/a', 1000, '', array[${part}::uuid], ${key}, 0,
            ${headSeq}, now(), ${randomBytes(300)}, 300)`
        void tx.query`insert into parts (tenant_id, agent_id, part_id, node_id, key_id, size, content_mac, epoch, seq, created_at, sealed, sealed_length)
          values (${tenantId}, ${agentId}, ${part}, ${node}, ${key}, 1000, '', 0, ${headSeq}, now(), ${sealed}, ${sealed.length})`
      }
      const at = new Date(nowMs)
      void tx.query`insert into records (tenant_id, stream_id, epoch, seq, record_id, leaf_index, leaf, at, sealed, sealed_length)
        values (${tenantId}, ${agentId}, 0, ${headSeq}, ${uuidv7()}, ${headSeq - 1}, '', ${at}, ${randomBytes(200)}, 200)`
      void tx.query`update streams set staged_bytes = staged_bytes + ${bytes}, staged_since = coalesce(staged_since, ${at})
        where tenant_id = ${tenantId} and stream_id = ${agentId}`
      return headSeq
    })
    return { seq, parts, keys }
  }

  const requestFlush = async (): Promise<unknown> =>
    database.withTenant(
      scope,
      (tx) => tx.query`update streams set flush_requested_at = clock_timestamp()
      where tenant_id = ${tx.tenantId} and stream_id = ${agentId}`,
    )

  async function advance(by: Packer): Promise<PackOutcome[]> {
    const outcomes: PackOutcome[] = []
    for await (const outcome of by.advance(scope, agentId)) outcomes.push(outcome)
    return outcomes
  }

  interface StreamRow {
    stagedBytes: number
    stagedSince: Date | null
    flushRequestedAt: string | null
    cursor: number
  }
  const streamRow = async (): Promise<StreamRow> => {
    const [row] = await database.withTenant(
      scope,
      (tx) => tx.query<StreamRow>`
      select staged_bytes, staged_since, flush_requested_at::text as flush_requested_at, coalesce((select seq from followers f
        where f.tenant_id = s.tenant_id and f.stream_id = s.stream_id and follower = 'packer'), 0) as cursor
      from streams s where tenant_id = ${tx.tenantId} and stream_id = ${agentId}`,
    )
    return row!
  }

  interface ObjectRow {
    objectId: string
    kind: string
    objectKey: string
    state: string
    liveBytes: number
  }
  const objectRows = async (): Promise<ObjectRow[]> =>
    database.withTenant(
      scope,
      (tx) => tx.query<ObjectRow>`
      select object_id, kind, object_key, state, live_bytes from objects where tenant_id = ${tx.tenantId} order by object_id`,
    )

  const objectsInStore = async (): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of files.list(`bucket/tenants/${scope.tenantId}/`)) keys.push(key)
    return keys
  }

  /** Every part with the hash of its bytes, read from wherever its row says. */
  async function readParts(): Promise<Map<string, string>> {
    interface PartRow {
      partId: string
      sealed: Buffer | null
      sealedLength: number
      objectKey: string | null
      objectOffset: number
      state: string | null
    }
    const rows = await database.withTenant(
      scope,
      (tx) => tx.query<PartRow>`
      select p.part_id, p.sealed, p.sealed_length, o.object_key, p.object_offset, o.state from parts p
      left join objects o on o.tenant_id = p.tenant_id and o.object_id = p.object_id where p.tenant_id = ${tx.tenantId}`,
    )
    const found = new Map<string, string>()
    for (const { partId, sealed, objectKey, objectOffset, sealedLength, state } of rows) {
      if (objectKey !== null && state !== 'live')
        throw new Error(`part ${partId} points at a ${state} object`)
      const bytes = sealed ?? (await files.getRange(`bucket/${objectKey}`, objectOffset, sealedLength))
      found.set(partId, sha256(bytes))
    }
    return found
  }

  it('stores a hundred flushed files with at most 2 PUTs, and drains the stream', async () => {
    const { parts } = await commit({ files: 100 })
    await requestFlush()
    const outcomes = await advance(packer())
    expect(outcomes).toMatchObject([{ kind: 'stored', through: { epoch: 0, seq: 1 }, drained: true }])
    expect(store.puts).toBe(2)
    expect(await readParts()).toEqual(parts)
    expect(await streamRow()).toEqual({
      stagedBytes: 0,
      stagedSince: null,
      flushRequestedAt: null,
      cursor: 1,
    })
    const staged = await database.withTenant(
      scope,
      (tx) => tx.query`
      select 1 from records where sealed is not null union all select 1 from versions where sealed is not null
      union all select 1 from parts where sealed is not null`,
    )
    expect(staged).toHaveLength(0)
  })

  it('stores a thousand small writes of a burst with at most 4 PUTs', async () => {
    for (let write = 0; write < 1_000; write++) await commit()
    nowMs += 60_000
    await advance(packer())
    expect(store.puts).toBeLessThanOrEqual(4)
    expect(await streamRow()).toMatchObject({ cursor: 1_000, stagedBytes: 0 })
  })

  it('leaves a stream alone that is neither large, nor old, nor asked for', async () => {
    await commit()
    expect(await advance(packer())).toEqual([])
    expect(store.puts).toBe(0)
  })

  it('[DUR-6] writes a segment that says by itself what it holds', async () => {
    const { parts } = await commit({ files: 3 })
    await commit()
    await packer().packStream(scope, agentId)
    const segment = (await objectRows()).find(({ kind }) => kind === 'segment')!
    expect(segment.objectKey).toBe(`tenants/${scope.tenantId}/agents/${agentId}/seg/${segment.objectId}`)
    const { header, entries } = parseSegment(
      await files.get(`bucket/${segment.objectKey}`),
      segment.objectKey,
    )
    expect(header).toMatchObject({ tenantId: scope.tenantId, streamId: agentId, firstSeq: 1, lastSeq: 2 })
    for (const [id, hash] of parts) {
      expect(sha256(entries.find((entry) => entry.id === id)!.sealed)).toBe(hash)
    }
    expect(entries.filter(({ kind }) => kind === 'record').map(({ seq }) => seq)).toEqual([1, 2])
  })

  it('[ENC-3] puts every key into the ledger before anything it seals counts as stored', async () => {
    const { keys } = await commit({ files: 2 })
    const lost = packer({ crashPoints: crashAt('ledgered') })
    await expect(lost.packStream(scope, agentId)).rejects.toThrow('killed at ledgered')
    const ledgers = (await objectRows()).filter(({ kind, state }) => kind === 'keys' && state === 'live')
    expect(ledgers).toHaveLength(1)
    const { objectKey } = ledgers[0]!
    const held = decodeKeyLedger(scope.tenantId, objectKey, await files.get(`bucket/${objectKey}`))
    expect(held.keys.map(({ keyId }) => keyId)).toEqual(expect.arrayContaining(keys))
    expect(held.keks).toHaveLength(1)
    expect((await streamRow()).cursor).toBe(0)

    // A key whose mark was lost must stop the switch, not slip through.
    await database.withTenant(
      scope,
      (tx) => tx.query`update content_keys set ledgered_at = null where key_id = ${keys[0]!}`,
    )
    await packer().packStream(scope, agentId)
    expect(
      (await objectRows()).filter(({ kind, state }) => kind === 'keys' && state === 'live'),
    ).toHaveLength(2)
  })

  const crashAt =
    (at: CrashPoint): ((point: CrashPoint) => void) =>
    (point) => {
      if (point === at) throw new Error(`killed at ${point}`)
    }

  for (const point of CRASH_POINTS) {
    it(`[DUR-1] loses nothing when it is killed at ${point}`, async () => {
      const first = await commit({ files: 5 })
      await expect(packer({ crashPoints: crashAt(point) }).packStream(scope, agentId)).rejects.toThrow(point)
      expect(await readParts()).toEqual(first.parts)

      const second = await commit({ files: 2 })
      const outcome = await packer().packStream(scope, agentId)
      expect(outcome).toMatchObject({ kind: 'stored', drained: true })
      expect((await streamRow()).cursor).toBe(second.seq)
      const all = new Map([...first.parts, ...second.parts])
      expect(await readParts()).toEqual(all)

      // Orphans are given up after an hour, deleted after a week; what is live stays readable.
      nowMs += HOUR_MS + 1_000
      await collector().collectObjects(scope)
      nowMs += 8 * 24 * HOUR_MS
      await collector().collectObjects(scope)
      expect(await readParts()).toEqual(all)
      const live = (await objectRows()).filter(({ state }) => state === 'live')
      expect(await objectsInStore()).toEqual(live.map(({ objectKey }) => `bucket/${objectKey}`).sort())
    })
  }

  it('[DUR-1] run twice at once, one wins and the other leaves only a dead object', async () => {
    const { parts } = await commit({ files: 20 })
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => packer().packStream(scope, agentId)))
    expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(1)
    const segments = (await objectRows()).filter(({ kind }) => kind === 'segment')
    expect(segments.filter(({ state }) => state === 'live')).toHaveLength(1)
    expect(segments.every(({ state }) => state === 'live' || state === 'dead')).toBe(true)
    expect(await readParts()).toEqual(parts)
  })

  it('[DUR-2] a slow packer whose object was given up meanwhile changes nothing', async () => {
    const { parts } = await commit({ files: 2 })
    const slow = packer({
      crashPoints: async (point) => {
        if (point !== 'ledgered') return
        nowMs += 2 * HOUR_MS
        await collector().collectObjects(scope)
      },
    })
    expect(await slow.packStream(scope, agentId)).toEqual({ kind: 'lost' })
    expect((await streamRow()).cursor).toBe(0)
    expect(await readParts()).toEqual(parts)
  })

  it('[ENC-3] passes over rows that were erased while it worked', async () => {
    const { parts, keys } = await commit({ files: 3 })
    const [erased] = parts.keys()
    const working = packer({
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        await database.withTenant(scope, async (tx) => {
          void tx.query`delete from versions where part_ids = array[${erased!}::uuid]`
          void tx.query`delete from parts where part_id = ${erased!}`
          void eraseKeys(tx, [keys[0]!], 'erase', new Date())
        })
      },
    })
    expect(await working.packStream(scope, agentId)).toMatchObject({ kind: 'stored', drained: true })
    parts.delete(erased!)
    expect(await readParts()).toEqual(parts)
    const segment = (await objectRows()).find(({ kind, state }) => kind === 'segment' && state === 'live')
    expect(segment?.liveBytes).toBe(200 + 2 * 1_412)

    // The tombstone supersedes every ledger object that may hold the key.
    nowMs = Date.now() + 1_000
    await collector().collectObjects(scope)
    const live = (await objectRows()).filter(({ kind, state }) => kind === 'keys' && state === 'live')
    const held = await Promise.all(
      live.map(async ({ objectKey }) =>
        decodeKeyLedger(scope.tenantId, objectKey, await files.get(`bucket/${objectKey}`)),
      ),
    )
    expect(held.flatMap((ledger) => ledger.keys.map(({ keyId }) => keyId))).not.toContain(keys[0])
    expect(held.flatMap((ledger) => ledger.tombstones.map(({ keyId }) => keyId))).toContain(keys[0])
  })

  it('[ENC-3] is not held up by a key that was erased before it came to the ledger', async () => {
    const { keys } = await commit({ files: 2 })
    await database.withTenant(scope, (tx) => eraseKeys(tx, [keys[0]!], 'erase', new Date()))
    expect(await packer().packStream(scope, agentId)).toMatchObject({ kind: 'stored' })
    const { objectKey } = (await objectRows()).find(({ kind, state }) => kind === 'keys' && state === 'live')!
    const held = decodeKeyLedger(scope.tenantId, objectKey, await files.get(`bucket/${objectKey}`))
    expect(held.keys.map(({ keyId }) => keyId)).not.toContain(keys[0])
    expect(held.tombstones.map(({ keyId }) => keyId)).toEqual([keys[0]])
  })

  it('[OUT-1] keeps everything staged while the store is down, waits, and drains by itself afterwards', async () => {
    const { parts } = await commit({ files: 2 })
    const patient = packer()
    store.failing = true
    await expect(patient.packStream(scope, agentId)).rejects.toThrow('the store is down')
    const refused = await patient.packStream(scope, agentId).catch((error: unknown) => error)
    expect(isAgentfsError(refused, 'unavailable')).toBe(true)
    expect(store.puts).toBe(2)
    expect((await objectRows()).map(({ state }) => state)).toEqual(['dead', 'dead'])
    store.failing = false
    nowMs += 2_000
    expect(await patient.packStream(scope, agentId)).toMatchObject({ kind: 'stored', drained: true })
    expect(await readParts()).toEqual(parts)
  })

  it('closes segments at 4 MiB without cutting a commit, and stores large parts of a huge commit one by one', async () => {
    const first = await commit({ files: 3, partBytes: 1 << 20 })
    const second = await commit({ files: 3, partBytes: 1 << 20 })
    const huge = await commit({ files: 9, partBytes: 1 << 20 })
    nowMs += 60_000
    const outcomes = await advance(packer())
    expect(outcomes.map((outcome) => outcome.kind === 'stored' && outcome.through.seq)).toEqual([1, 2, 3])
    expect(outcomes[0]).toMatchObject({ bytes: expect.any(Number), drained: false })
    const rows = await objectRows()
    expect(rows.filter(({ kind }) => kind === 'part')).toHaveLength(9)
    expect(rows.every(({ liveBytes }) => liveBytes <= PACK_BYTES_MAX)).toBe(true)
    expect(await readParts()).toEqual(new Map([...first.parts, ...second.parts, ...huge.parts]))
    expect(await streamRow()).toMatchObject({ stagedBytes: 0, stagedSince: null })
  })

  it('takes back a flush request only when what it asked for is stored', async () => {
    await commit()
    await requestFlush()
    const flushing = packer({
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        await commit()
        await requestFlush()
      },
    })
    await flushing.packStream(scope, agentId)
    expect((await streamRow()).flushRequestedAt).not.toBeNull()
    await advance(packer())
    expect(await streamRow()).toMatchObject({ flushRequestedAt: null, stagedSince: null, cursor: 2 })
  })

  it('is found by the sweeper by age, by size and by request', async () => {
    const sweeper = new Sweeper({ database, clock })
    const due = async (): Promise<boolean> =>
      (await sweeper.dueAcrossTenants()).streams.some(({ streamId }) => streamId === agentId)
    await commit()
    expect(await due()).toBe(false)
    nowMs += 60_000
    expect(await due()).toBe(true)
    await advance(packer())
    expect(await due()).toBe(false)
    await commit({ files: 5, partBytes: 1 << 20 })
    expect(await due()).toBe(true)
    await advance(packer())
    await commit()
    await requestFlush()
    expect(await due()).toBe(true)
  })

  it('drops uploads that no push named within a day, and leaves those alone that one did', async () => {
    const { parts } = await commit({ files: 2 })
    const [named] = parts.keys()
    const upload = uuidv7()
    await database.withTenant(
      scope,
      (tx) => tx.query`
      insert into parts (tenant_id, agent_id, part_id, node_id, key_id, size, content_mac, epoch, created_at, sealed, sealed_length)
      select tenant_id, agent_id, ${upload}, node_id, key_id, size, content_mac, epoch, created_at, sealed, sealed_length
      from parts where part_id = ${named!}`,
    )
    const drop = async (): Promise<number> => (await collector().collectObjects(scope)).uploadsDropped
    expect(await drop()).toBe(0)
    nowMs += 25 * HOUR_MS
    expect(await drop()).toBe(1)
    expect(await readParts()).toEqual(parts)
  })

  it('[ENC-3] rewrites a ledger in many pieces into one, and keeps what came meanwhile', async () => {
    const keys: string[] = []
    for (let round = 0; round < 33; round++) {
      keys.push(...(await commit()).keys)
      await packer().packStream(scope, agentId)
    }
    await collector().collectObjects(scope)
    const live = (await objectRows()).filter(({ kind, state }) => kind === 'keys' && state === 'live')
    expect(live).toHaveLength(1)
    const { objectKey } = live[0]!
    const held = decodeKeyLedger(scope.tenantId, objectKey, await files.get(`bucket/${objectKey}`))
    expect(held.keys.map(({ keyId }) => keyId)).toEqual(expect.arrayContaining(keys))
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
