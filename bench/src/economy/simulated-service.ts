import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { KeyFileKms } from '@agentfs/crypto'
import {
  type Caller,
  Checkpointer,
  type Chore,
  createEngine,
  type Engine,
  Generation,
  Packer,
  Sweeper,
  type TenantResources,
} from '@agentfs/engine'
import { periodicChores } from '@agentfs/server'
import { Database, migrate, type ObjectStore, openFilesystemObjectStore, roleUrl } from '@agentfs/storage'
import { type PostgresCluster, startPostgres, temporaryDirectory } from '@agentfs/testkit'
import { type BucketCensus, bucketCensus } from './bucket-census.js'
import { CountingStore } from './counting-store.js'

const PASSWORDS = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }
const SECOND_MS = 1_000
const SWEEP_MS = 5 * SECOND_MS
const GENERATION_MS = 60 * SECOND_MS

interface Beat {
  readonly intervalMs: number
  readonly run: () => Promise<void>
  dueAtMs: number
}

/**
 * The engine and everything that workers run, at their intervals, on a clock that the bench turns: a day of a tenant's life in
 * minutes. One tenant with one agent, `writer`; a real Postgres and a folder as bucket, gone with `stop`.
 */
export class SimulatedService {
  readonly engine: Engine
  readonly caller: Caller
  readonly store: CountingStore
  /** What chores did, by chore and what was counted. */
  readonly chores: ReadonlyMap<string, number>
  readonly #bucket: ObjectStore
  readonly #database: Database
  readonly #another: () => Engine
  readonly #clock: { nowMs: number }
  readonly #beats: readonly Beat[]
  readonly #close: () => Promise<void>

  private constructor(parts: {
    engine: Engine
    caller: Caller
    store: CountingStore
    chores: ReadonlyMap<string, number>
    bucket: ObjectStore
    database: Database
    another: () => Engine
    clock: { nowMs: number }
    beats: readonly Beat[]
    close: () => Promise<void>
  }) {
    this.engine = parts.engine
    this.caller = parts.caller
    this.store = parts.store
    this.chores = parts.chores
    this.#bucket = parts.bucket
    this.#database = parts.database
    this.#another = parts.another
    this.#clock = parts.clock
    this.#beats = parts.beats
    this.#close = parts.close
  }

  /** Starts one, with an agent `writer`. */
  static async start(): Promise<SimulatedService> {
    const [cluster, directory] = await Promise.all([startPostgres(), temporaryDirectory('economy')])
    const database = await openDatabase(cluster)
    const bucket = await openFilesystemObjectStore(join(directory.path, 'objects'))
    const store = new CountingStore(bucket)
    const objectStore = store.counted()
    const kms = await KeyFileKms.open({ path: join(directory.path, 'kms'), create: true })
    const resources: TenantResources = {
      resolve: () => Promise.resolve({ objectStore, objectPrefix: '', kms }),
    }
    const time = { nowMs: Date.UTC(2027, 0, 1, 8) }
    const clock = { now: () => time.nowMs }
    const log = { warn: (message: string) => note(message), error: (message: string) => note(message) }
    const pepper = randomBytes(32)
    const engines: Engine[] = []
    const another = (): Engine => {
      const made = createEngine({
        database,
        resources,
        pepper,
        clock,
        log,
        announcer: { publish: () => undefined },
        packHint: { hint: () => undefined },
      })
      engines.push(made)
      return made
    }
    const engine = another()
    // The pace of chores is real time, which nobody here has.
    const pace = { bytesPerSecond: 1e12 }
    const options = { database, resources, clock, log, onDamaged: damaged, ...pace }
    const chores = new Map<string, number>()
    const tally = (what: string, count: number): void =>
      void chores.set(what, (chores.get(what) ?? 0) + count)
    const beats = beatsOf(options, time.nowMs, tally)
    const caller = await signUp(engine)
    await engine.agents.create(caller, { name: 'writer' })
    const close = async (): Promise<void> => {
      await Promise.all(engines.map((made) => made.close()))
      await database.close()
      await cluster.stop()
      await directory.remove()
    }
    return new SimulatedService({
      engine,
      caller,
      store,
      chores,
      bucket,
      database,
      another,
      clock: time,
      beats,
      close,
    })
  }

  /** Lets time pass, with all that workers do meanwhile; in steps of a sweep, or shorter. */
  async pass(ms: number, stepMs = SWEEP_MS): Promise<void> {
    const untilMs = this.#clock.nowMs + ms
    while (this.#clock.nowMs < untilMs) {
      this.#clock.nowMs = Math.min(untilMs, this.#clock.nowMs + stepMs)
      for (const beat of this.#beats) {
        if (beat.dueAtMs > this.#clock.nowMs) continue
        beat.dueAtMs = this.#clock.nowMs + beat.intervalMs
        await beat.run()
      }
    }
  }

  /** What the clock says. */
  get nowMs(): number {
    return this.#clock.nowMs
  }

  /** All of the tenant's objects. */
  census(shallow = false): Promise<BucketCensus> {
    return bucketCensus(this.#bucket, `tenants/${this.caller.principal.scope.tenantId}/`, { shallow })
  }

  /** Another engine, as another process would be, with nothing in memory. */
  another(): Engine {
    return this.#another()
  }

  /** How many versions the tenant has, and how many of them are kept as beginnings of others. */
  async versions(): Promise<{ readonly all: number; readonly beginnings: number }> {
    const [row] = await this.#database.withTenant(
      this.caller.principal.scope,
      (tx) => tx.query<{ all: number; beginnings: number }>`
        select count(*)::integer as all, count(prefix_of)::integer as beginnings from versions where tenant_id = ${tx.tenantId}`,
    )
    return row ?? { all: 0, beginnings: 0 }
  }

  /** Bytes of objects that died since a moment, and are there. */
  async deadBytes(sinceMs: number): Promise<number> {
    const [row] = await this.#database.withTenant(
      this.caller.principal.scope,
      (tx) => tx.query<{ bytes: number }>`
        select coalesce(sum(size), 0)::bigint as bytes from objects
        where tenant_id = ${tx.tenantId} and state = 'dead' and dead_at >= ${new Date(sinceMs)}`,
    )
    return row?.bytes ?? 0
  }

  /** Bytes of the log as it stands: records, those of a block once, and checkpoints. */
  async logBytes(): Promise<number> {
    const [row] = await this.#database.withTenant(
      this.caller.principal.scope,
      (tx) => tx.query<{ bytes: number }>`
        select ((select coalesce(sum(sealed_length), 0) from (
            select distinct on (coalesce(block_id, record_id)) sealed_length from records where tenant_id = ${tx.tenantId}) r)
          + (select coalesce(sum(octet_length(note)), 0) from audit_checkpoints where tenant_id = ${tx.tenantId}))::bigint as bytes`,
    )
    return row?.bytes ?? 0
  }

  stop(): Promise<void> {
    return this.#close()
  }
}

async function openDatabase(cluster: PostgresCluster): Promise<Database> {
  const { url } = await cluster.createDatabase()
  await migrate({ url, passwords: PASSWORDS })
  return new Database({
    url: roleUrl(url, 'app', PASSWORDS.app),
    headsUrl: roleUrl(url, 'heads', PASSWORDS.heads),
  })
}

async function signUp(engine: Engine): Promise<Caller> {
  const origin = { requestId: randomUUID(), door: 'rest', address: '127.0.0.1' } as const
  const { apiKey } = await engine.accounts.signup(origin, {
    email: 'bench@example.com',
    password: 'a password for the bench',
    tenant: 'economy',
  })
  return { ...origin, principal: await engine.accounts.verifyApiKey(apiKey.secret, '127.0.0.1') }
}

/** What a worker is reminded of: the sweep with its checkpoints, the service's count, and every chore, round by round. */
function beatsOf(
  options: Parameters<typeof periodicChores>[0],
  nowMs: number,
  tally: (what: string, count: number) => void,
): Beat[] {
  const { database, resources } = options
  const sweeper = new Sweeper(options)
  const packer = new Packer(options)
  const checkpointer = new Checkpointer(options)
  const generation = new Generation(database, resources)
  const sweep = async (): Promise<void> => {
    for (const { scope, streamId } of (await sweeper.dueAcrossTenants()).streams) {
      for await (const outcome of packer.advance(scope, streamId)) void outcome
    }
    for (const scope of await checkpointer.dueAcrossTenants()) await checkpointer.checkpoint(scope)
  }
  const round = async (chore: Chore): Promise<void> => {
    for await (const scope of sweeper.tenantsAcrossTenants()) {
      for (let resume: string | null = null; ;) {
        const step = await chore.step(scope, { agentId: null, dryRun: false, resume })
        for (const [what, count] of Object.entries(step.counts)) tally(`${chore.name} ${what}`, count)
        ;({ resume } = step)
        if (resume === null) break
      }
    }
  }
  const beats = [
    { intervalMs: SWEEP_MS, run: sweep },
    { intervalMs: GENERATION_MS, run: async () => void (await generation.countOn()) },
    ...periodicChores(options).map(({ chore, intervalMs }) => ({ intervalMs, run: () => round(chore) })),
  ]
  return beats.map((beat) => ({ ...beat, dueAtMs: nowMs + beat.intervalMs }))
}

function note(message: string): void {
  process.stderr.write(`${message}\n`)
}

function damaged(objects: number): void {
  if (objects > 0) throw new Error(`${objects} objects are damaged`)
}
