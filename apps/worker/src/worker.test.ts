import { randomBytes } from 'node:crypto'
import { mintTenantScope, type TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import {
  Checkpointer,
  type Chore,
  type ChoreRequest,
  CollectChore,
  Collector,
  type EngineLog,
  Mirror,
  PACK_BYTES_MAX,
  Packer,
  Sweeper,
  type TenantResources,
} from '@agentfs/engine'
import { KeyFileKms } from '@agentfs/crypto'
import { Database, migrate, openFilesystemObjectStore, roleUrl } from '@agentfs/storage'
import {
  loadServices,
  type PostgresCluster,
  startPostgres,
  temporaryDirectory,
  type TemporaryDirectory,
  waitFor,
} from '@agentfs/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { createWorker, type Worker } from './create-worker.js'
import { openPackHints, type PackHints } from './open-pack-hints.js'
import {
  type JobQueue,
  openQueueBackend,
  prepareQueueSchema,
  QUEUE_ROLE,
  type QueueConfig,
} from './queue/index.js'
import { WorkerMetrics } from './worker-metrics.js'
import type { WorkerOptions } from './worker-options.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }
const queuePassword = 'queue-password-0123456789'
const DEADLINE_MS = 15_000

describe.each(['postgres', 'redis'] as const)('the worker, with its queue on %s', (kind) => {
  let cluster: PostgresCluster
  let owner: ReturnType<typeof postgres>
  let database: Database
  let directory: TemporaryDirectory
  let resources: TenantResources
  let queue: QueueConfig
  let forgetEverything: () => Promise<void>
  let scope: TenantScope
  let worker: Worker | undefined
  let hints: PackHints
  const said: string[] = []
  const log: EngineLog = {
    warn: (message, facts) => void said.push(`${message} ${JSON.stringify(facts)}`),
    error: (message, facts) => void said.push(`${message} ${JSON.stringify(facts)}`),
  }

  beforeAll(async () => {
    cluster = await startPostgres()
    const { url } = await cluster.createDatabase()
    owner = postgres(url, { max: 2, onnotice: () => undefined })
    await migrate({ url, passwords })
    database = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize: 4,
    })
    directory = await temporaryDirectory()
    const resolved = {
      objectStore: await openFilesystemObjectStore(`${directory.path}/objects`),
      objectPrefix: '',
      kms: await KeyFileKms.open({ path: `${directory.path}/kms/root`, create: true }),
    }
    resources = { resolve: () => Promise.resolve(resolved) }
    if (kind === 'postgres') {
      await Promise.all([1, 2].map(() => prepareQueueSchema({ ownerUrl: url, password: queuePassword })))
      const own = new URL(url)
      own.username = QUEUE_ROLE
      own.password = queuePassword
      queue = { kind, url: own.href }
      forgetEverything = async () => {
        const tables = await owner<{ name: string }[]>`
          select quote_ident(tablename) as name from pg_tables where schemaname = 'bullmq' and tablename <> 'migration'`
        const truncate = `truncate ${tables.map(({ name }) => `bullmq.${name}`).join(', ')}`
        // A worker that is at it may hold one table and want another.
        await owner.unsafe(truncate).catch(() => owner.unsafe(truncate))
      }
    } else {
      const { redis } = loadServices()
      const prefix = `{agentfs-test-${randomBytes(6).toString('hex')}}`
      queue = { kind, url: redis.url, prefix }
      const client = new Redis(redis.url, { lazyConnect: true })
      forgetEverything = async () => {
        const keys = await client.keys(`${prefix}*`)
        if (keys.length > 0) await client.del(...keys)
      }
      cleanups.push(async () => {
        await forgetEverything()
        client.disconnect()
      })
    }
  })
  const cleanups: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const cleanup of cleanups) await cleanup()
    await database.close()
    await owner.end()
    await cluster.stop()
    await directory.remove()
  })

  beforeEach(async () => {
    said.length = 0
    await forgetEverything()
    hints = openPackHints(queue, log)
    scope = mintTenantScope(uuidv7())
    const streamKey = uuidv7()
    await database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      void tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, 'tenant', now())`
      void tx.query`insert into content_keys (tenant_id, key_id, purpose, kek_version, wrapped, created_at)
        values (${tenantId}, ${streamKey}, 'stream', 1, ${randomBytes(65)}, now())`
      void tx.query`insert into streams (tenant_id, stream_id, kind, key_id) values (${tenantId}, ${tenantId}, 'tenant', ${streamKey})`
    })
  })
  afterEach(async () => {
    await worker?.stop()
    worker = undefined
    await hints.close()
  })

  async function start(options: Partial<WorkerOptions> = {}): Promise<void> {
    const base = { database, resources }
    worker = createWorker({
      queue,
      packer: new Packer(base),
      sweeper: new Sweeper(base),
      checkpointer: new Checkpointer(base),
      mirror: new Mirror({ database, resources, log }),
      chores: [{ chore: new CollectChore(new Collector(base)), intervalMs: 3_600_000 }],
      log,
      sweepIntervalMs: 3_600_000,
      ...options,
    })
    await worker.start()
  }

  /** A record that waits, with a flush request. */
  async function commitAndFlush(): Promise<number> {
    return database.withTenant(scope, async (tx) => {
      const { tenantId } = tx
      const [head] = await tx.query<{
        headSeq: number
      }>`update streams set head_seq = head_seq + 1, staged_bytes = staged_bytes + 200,
          staged_since = coalesce(staged_since, now()), flush_requested_at = clock_timestamp()
        where tenant_id = ${tenantId} and stream_id = ${tenantId} returning head_seq`
      const { headSeq } = head!
      void tx.query`insert into records (tenant_id, stream_id, epoch, seq, record_id, leaf_index, leaf, at, sealed, sealed_length)
        values (${tenantId}, ${tenantId}, 0, ${headSeq}, ${uuidv7()}, ${headSeq - 1}, '', now(), ${randomBytes(200)}, 200)`
      return headSeq
    })
  }

  const stored = async (seq: number): Promise<boolean> => {
    const rows = await database.withTenant(
      scope,
      (tx) => tx.query`
      select 1 from followers where tenant_id = ${tx.tenantId} and follower = 'packer' and seq >= ${seq}`,
    )
    return rows.length > 0
  }
  const expectStored = async (seq: number): Promise<unknown> =>
    waitFor(() => stored(seq), { deadlineMs: DEADLINE_MS, what: 'a record to be stored' }).catch(
      (cause: unknown) => {
        throw new Error(`not stored; the worker said: ${said.join('; ')}`, { cause })
      },
    )

  it('packs a stream that a hint names', async () => {
    await start()
    const seq = await commitAndFlush()
    hints.hint(scope, scope.tenantId)
    await expectStored(seq)
  })

  it('packs a stream once a segment of bytes was committed, and is not asked before', async () => {
    await start()
    const seq = await commitAndFlush()
    hints.hint(scope, scope.tenantId, 1_000)
    hints.hint(scope, scope.tenantId, PACK_BYTES_MAX - 1_001)
    await hints.settled()
    expect(await stored(seq)).toBe(false)
    hints.hint(scope, scope.tenantId, 1)
    await expectStored(seq)
  })

  it('packs again where a hint came while it was packing, and folds hints that wait', async () => {
    let steps = 0
    const entered = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const packer = new Packer({
      database,
      resources,
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        steps++
        entered.resolve()
        await held.promise
      },
    })
    await start({ packer })
    await commitAndFlush()
    hints.hint(scope, scope.tenantId)
    await entered.promise
    const seq = await commitAndFlush()
    for (let hint = 0; hint < 20; hint++) hints.hint(scope, scope.tenantId)
    held.resolve()
    await expectStored(seq)
    expect(steps).toBe(2)
  })

  it('[DUR-1] completes by the sweeper when the queue forgets everything, while it runs', async () => {
    await start({ sweepIntervalMs: 200 })
    const first = await commitAndFlush()
    await expectStored(first)
    await forgetEverything()
    const second = await commitAndFlush()
    await expectStored(second)
  })

  it('[DUR-1] completes by the sweeper when hints were lost before it started', async () => {
    const seq = await commitAndFlush()
    hints.hint(scope, scope.tenantId)
    await hints.close()
    await forgetEverything()
    hints = openPackHints(queue, log)
    await start()
    await expectStored(seq)
  })

  it('sweeps with several workers that ask at once', async () => {
    const second = createWorker({
      queue,
      packer: new Packer({ database, resources }),
      sweeper: new Sweeper({ database }),
      checkpointer: new Checkpointer({ database, resources }),
      mirror: new Mirror({ database, resources, log }),
      chores: [],
      log,
      sweepIntervalMs: 100,
    })
    try {
      await Promise.all([start({ sweepIntervalMs: 100 }), second.start()])
      await expectStored(await commitAndFlush())
    } finally {
      await second.stop()
    }
    expect(said).toEqual([])
  })

  it('gives tenants their turns at a chore, one step each, and goes on where a step ended', async () => {
    const other = mintTenantScope(uuidv7())
    await database.withTenant(other, async (tx) => {
      const { tenantId } = tx
      void tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, 'tenant', now())`
      void tx.query`insert into streams (tenant_id, stream_id, kind, key_id) values (${tenantId}, ${tenantId}, 'tenant', ${uuidv7()})`
    })
    const mine = [scope.tenantId, other.tenantId]
    const steps: { tenant: string; request: ChoreRequest }[] = []
    const counting: Chore = {
      name: 'counting',
      counted: ['stepsDone'],
      step({ tenantId }, request) {
        const resume = Number(request.resume ?? 0) + 1
        if (mine.includes(tenantId)) steps.push({ tenant: tenantId, request })
        return Promise.resolve({ counts: { stepsDone: 1 }, resume: resume < 3 ? String(resume) : null })
      },
    }
    const metrics = new WorkerMetrics()
    await start({ chores: [{ chore: counting, intervalMs: 60_000 }], choreConcurrency: 1, metrics })
    await choreQueue(queue, (jobs) => jobs.add([{ data: { chore: 'counting' }, options: {} }]))
    await waitFor(() => steps.length >= 6, { deadlineMs: DEADLINE_MS, what: 'three steps of two tenants' })
    const resumed = (tenant: string): unknown[] =>
      steps.filter((step) => step.tenant === tenant).map(({ request }) => request.resume)
    for (const tenant of mine) expect(resumed(tenant)).toEqual([null, '1', '2'])
    expect(new Set(steps.slice(0, 2).map(({ tenant }) => tenant))).toEqual(new Set(mine))
    expect(await metrics.registry.metrics()).toMatch(
      /agentfs_chore_total\{chore="counting",what="steps_done"\} [1-9]/,
    )
  })

  it('ends running jobs before it stops, and stops twice', async () => {
    const entered = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const packer = new Packer({
      database,
      resources,
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        entered.resolve()
        await held.promise
      },
    })
    await start({ packer })
    const seq = await commitAndFlush()
    hints.hint(scope, scope.tenantId)
    await entered.promise
    const stopping = worker!.stop()
    held.resolve()
    await stopping
    expect(await stored(seq)).toBe(true)
    await worker!.stop()
  })

  it('[AUD-1] counts jobs, PUTs and bytes without naming anybody', async () => {
    const metrics = new WorkerMetrics()
    await start({ metrics })
    const seq = await commitAndFlush()
    hints.hint(scope, scope.tenantId)
    await expectStored(seq)
    const text = await waitFor(
      async () => {
        const now = await metrics.registry.metrics()
        // The PUTs are counted within the job, the job when it has ended; which job stored it, hint or sweep, is open.
        const counted = /agentfs_packer_puts_total 2/.test(now)
        return counted && /agentfs_worker_jobs_total\{queue="(pack|sweep)",outcome="done"\}/.test(now) && now
      },
      { deadlineMs: DEADLINE_MS, what: 'the PUTs and the job to be counted' },
    )
    expect(text).toMatch(/agentfs_packer_bytes_total [1-9]/)
    expect(text).not.toContain(scope.tenantId)
  })
})

async function choreQueue(
  config: QueueConfig,
  use: (jobs: JobQueue<'chore'>) => Promise<void>,
): Promise<void> {
  const backend = openQueueBackend(config)
  const jobs = backend.openQueue('chore')
  await use(jobs)
  await jobs.close()
  await backend.close()
}

describe('the queue role', () => {
  let cluster: PostgresCluster
  beforeAll(async () => {
    cluster = await startPostgres()
  })
  afterAll(async () => cluster.stop())

  it('[ISO-2] reaches the schema of the queue and nothing else', async () => {
    const { url } = await cluster.createDatabase()
    await migrate({ url, passwords })
    await prepareQueueSchema({ ownerUrl: url, password: queuePassword })
    const own = new URL(url)
    own.username = QUEUE_ROLE
    own.password = queuePassword
    const sql = postgres(own.href, { max: 1, onnotice: () => undefined })
    await prepareQueueSchema({ ownerUrl: url, password: queuePassword, forgetJobs: true })
    await expect(sql`select 1 from bullmq.job`).resolves.toHaveLength(0)
    await expect(sql`select 1 from tenants`).rejects.toThrow('permission denied')
    await expect(sql`select 1 from records`).rejects.toThrow('permission denied')
    await expect(sql`create table bullmq.planted (a int)`).rejects.toThrow('permission denied')
    await expect(sql`set role agentfs_app`).rejects.toThrow('permission denied')
    await sql.end()
  })
})
