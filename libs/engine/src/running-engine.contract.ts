import { randomBytes, randomUUID } from 'node:crypto'
import type { Door, SignupAnswer } from '@agentfs/contracts'
import { KeyFileKms } from '@agentfs/crypto'
import {
  Database,
  migrate,
  type ObjectStore,
  openFilesystemObjectStore,
  PackingStore,
  roleUrl,
} from '@agentfs/storage'
import { type PostgresCluster, startPostgres, temporaryDirectory } from '@agentfs/testkit'
import type { Caller, RequestOrigin } from './caller.js'
import { createEngine, type EngineLimits, type EngineOptions } from './create-engine.js'
import type { Engine } from './engine.js'
import { Packer } from './followers/packer.js'
import { PromptPacker } from './followers/prompt-packer.js'
import type { Announcement, Clock, TenantResources } from './ports.js'

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }

/** A whole engine on a real Postgres and a folder of objects, for the tests of this package. */
export interface RunningEngine {
  readonly engine: Engine
  readonly database: Database
  readonly cluster: PostgresCluster
  readonly objectStore: ObjectStore
  readonly resources: TenantResources
  readonly announced: Announcement[]
  readonly statements: Set<string>
  /** The superuser's connection string. */
  readonly url: string
  /** A second engine on the same database, as another process would be. */
  another(limits?: Partial<EngineLimits>): Engine
  /** The same database over so many connections. */
  connections(count: number): Database
  /** An empty database with the schema, beside the first; an engine on it has the same bucket, KMS and pepper. */
  emptyDatabase(): Promise<{ readonly database: Database; readonly engine: Engine }>
  /** The database as it is now, as a second one: what a backup of this moment would be restored to. */
  copyDatabase(): Promise<{ readonly database: Database; readonly engine: Engine }>
  /** An engine on a database that was opened before, which tells of clients that are ahead of it. */
  on(database: Database, onClientAhead: NonNullable<EngineOptions['onClientAhead']>): Engine
  /** Stores everything of a stream. */
  pack(caller: Caller, streamId: string): Promise<void>
  stop(): Promise<void>
}

/** Starts one; `limits` cut it down, and a store and a clock of the test's own take the place of the folder and the time. */
export async function startEngine(
  limits: Partial<EngineLimits> = {},
  own: { readonly objectStore?: ObjectStore; readonly clock?: Clock } = {},
): Promise<RunningEngine> {
  const [cluster, directory] = await Promise.all([startPostgres(), temporaryDirectory('engine')])
  const { url, name } = await cluster.createDatabase()
  await migrate({ url, passwords })
  const statements = new Set<string>()
  const database = new Database({
    url: roleUrl(url, 'app', passwords.app),
    headsUrl: roleUrl(url, 'heads', passwords.heads),
    onStatement: (text) => void statements.add(text),
  })
  const objectStore = own.objectStore ?? (await openFilesystemObjectStore(`${directory.path}/objects`))
  const kms = await KeyFileKms.open({ path: `${directory.path}/kms`, create: true })
  const resources: TenantResources = {
    resolve: () => Promise.resolve({ objectStore, objectPrefix: 'service/', kms }),
  }
  const announced: Announcement[] = []
  const pepper = randomBytes(32)
  const engines: Engine[] = []
  const databases = [database]
  const engineOn = (
    onDatabase: Database,
    narrower: Partial<EngineLimits> = {},
    more: Partial<EngineOptions> = {},
  ): Engine => {
    const promptPacker = new PromptPacker(new Packer({ database: onDatabase, resources }))
    const made = createEngine({
      database: onDatabase,
      resources,
      pepper,
      announcer: { publish: (announcement) => void announced.push(announcement) },
      packHint: { hint: () => undefined },
      promptPacker: () => promptPacker,
      log: { warn: () => undefined, error: () => undefined },
      limits: { auditBatchMs: 50, ...limits, ...narrower },
      ...(own.clock === undefined ? {} : { clock: own.clock }),
      ...more,
    })
    engines.push(made)
    return made
  }
  const another = (narrower: Partial<EngineLimits> = {}): Engine => engineOn(database, narrower)
  const emptyDatabase = async (): Promise<{ database: Database; engine: Engine }> => {
    const { url: other } = await cluster.createDatabase()
    await migrate({ url: other, passwords })
    return openedAt(other)
  }
  const openedAt = (other: string): { database: Database; engine: Engine } => {
    const opened = new Database({
      url: roleUrl(other, 'app', passwords.app),
      headsUrl: roleUrl(other, 'heads', passwords.heads),
    })
    databases.push(opened)
    return { database: opened, engine: engineOn(opened) }
  }
  const connections = (poolSize: number): Database => {
    const opened = new Database({
      url: roleUrl(url, 'app', passwords.app),
      headsUrl: roleUrl(url, 'heads', passwords.heads),
      poolSize,
    })
    databases.push(opened)
    return opened
  }
  const copyDatabase = async (): Promise<{ database: Database; engine: Engine }> => {
    const { url: copy } = await cluster.copyDatabase(name)
    return openedAt(copy)
  }
  return {
    engine: another(),
    database,
    cluster,
    objectStore,
    resources,
    announced,
    statements,
    url,
    another,
    connections,
    emptyDatabase,
    copyDatabase,
    on: (onDatabase, onClientAhead) => engineOn(onDatabase, {}, { onClientAhead }),
    pack: async (caller, streamId) => {
      const { scope } = caller.principal
      await new PackingStore(database).requestFlush(scope, [streamId])
      for await (const outcome of new Packer({ database, resources }).advance(scope, streamId)) void outcome
    },
    stop: async () => {
      await Promise.all(engines.map((made) => made.close()))
      await Promise.all(databases.map((opened) => opened.close()))
      await cluster.stop()
      await directory.remove()
    },
  }
}

/** Where a test's requests come from. */
export function origin(door: Door = 'rest'): RequestOrigin {
  return { requestId: randomUUID(), door, address: '127.0.0.1' }
}

/** A new tenant, and its first key as a caller. */
export async function newTenant(engine: Engine): Promise<{ signup: SignupAnswer; caller: Caller }> {
  const signup = await engine.accounts.signup(origin(), {
    email: `${randomUUID()}@example.test`,
    password: 'correct horse battery',
    tenant: 'Test',
  })
  return { signup, caller: await callerOf(engine, signup.apiKey.secret) }
}

/** The caller behind an API key. */
async function callerOf(engine: Engine, secret: string): Promise<Caller> {
  return { ...origin(), principal: await engine.accounts.verifyApiKey(secret, '127.0.0.1') }
}

/** The text of what a read opened. */
export async function textOf(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  return (await bytesOf(body)).toString('utf8')
}

/** The bytes of what a read opened. */
export async function bytesOf(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
