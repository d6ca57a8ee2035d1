import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { SignupAnswer } from '@agentfs/contracts'
import { KeyFileKms } from '@agentfs/crypto'
import { createEngine, type Engine, NO_PACK_HINT } from '@agentfs/engine'
import { Database, migrate, openFilesystemObjectStore, roleUrl } from '@agentfs/storage'
import { type PostgresCluster, startPostgres, temporaryDirectory } from '@agentfs/testkit'
import { pino } from 'pino'
import { type Api, type ApiOptions, createApi, InProcessBus, makeTokenKey } from '../index.js'
import { HttpClient } from './http-client.js'

/** A tenant with a credential, as a test needs it. */
export interface Account extends SignupAnswer {
  readonly email: string
  readonly password: string
  /** Sends with the tenant's first API key. */
  readonly http: HttpClient
}

/** A whole service on a Postgres of its own. */
export class TestService {
  readonly #closing: (() => Promise<unknown> | void)[]
  #accounts = 0

  constructor(
    readonly api: Api,
    readonly url: string,
    readonly metricsUrl: string,
    readonly engine: Engine,
    readonly bus: InProcessBus,
    readonly cluster: PostgresCluster,
    /** Every log line, as written. */
    readonly logLines: readonly string[],
    closing: (() => Promise<unknown> | void)[],
  ) {
    this.#closing = closing
  }

  /** Sends with a credential, or without. */
  http(credential?: string): HttpClient {
    const client = new HttpClient(this.url, credential)
    this.#closing.unshift(() => client.close())
    return client
  }

  /** A fresh tenant. */
  async signup(): Promise<Account> {
    const email = `owner-${++this.#accounts}-${randomBytes(4).toString('hex')}@example.com`
    const password = 'correct horse battery'
    const answer = await this.http().post('/v1/signup', { email, password, tenant: 'Test' })
    if (answer.status !== 201) throw new Error(`signup: ${answer.status} ${answer.body.toString()}`)
    const made = answer.json<SignupAnswer>()
    return { ...made, email, password, http: this.http(made.apiKey.secret) }
  }

  /** A fresh agent of a tenant; gives the path of its home. */
  async agent(account: Account, name = `agent-${randomBytes(6).toString('hex')}`): Promise<Home> {
    const answer = await account.http.post('/v1/agents', { name })
    if (answer.status !== 201) throw new Error(`agent: ${answer.status} ${answer.body.toString()}`)
    const { id, root } = answer.json<{ id: string; root: string }>()
    return { id, name, root, path: `/v1/agents/${name}` }
  }

  /** Takes everything down. */
  async close(): Promise<void> {
    for (const close of this.#closing.splice(0)) await close()
  }
}

/** An agent, as routes name it. */
export interface Home {
  readonly id: string
  readonly name: string
  readonly root: string
  readonly path: string
}

const passwords = { app: 'app-password-0123456789', heads: 'heads-password-0123456789' }

/** Starts a service; what a test does not say is as open as possible. */
export async function startService(change: Partial<ApiOptions> = {}): Promise<TestService> {
  const cluster = await startPostgres()
  const directory = await temporaryDirectory('api')
  const { url } = await cluster.createDatabase()
  await migrate({ url, passwords })
  const database = new Database({
    url: roleUrl(url, 'app', passwords.app),
    headsUrl: roleUrl(url, 'heads', passwords.heads),
  })
  const objectStore = await openFilesystemObjectStore(join(directory.path, 'objects'))
  const kms = await KeyFileKms.open({ path: join(directory.path, 'root-keys'), create: true })
  const logLines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) })
  const bus = new InProcessBus()
  const engine = createEngine({
    database,
    resources: { resolve: () => Promise.resolve({ objectStore, objectPrefix: '', kms }) },
    pepper: randomBytes(32),
    announcer: bus,
    packHint: NO_PACK_HINT,
    log: {
      warn: (message, facts) => log.warn(facts ?? {}, message),
      error: (message, facts) => log.error(facts ?? {}, message),
    },
  })
  const api = await createApi({
    engine,
    bus,
    tokenKeys: [makeTokenKey()],
    log,
    host: '127.0.0.1',
    port: 0,
    signup: { kind: 'open' },
    metrics: { host: '127.0.0.1', port: 0 },
    ...change,
  })
  const { url: serviceUrl, metricsUrl } = await api.listen()
  return new TestService(api, serviceUrl, metricsUrl ?? '', engine, bus, cluster, logLines, [
    () => api.close(),
    () => bus.close(),
    () => engine.close(),
    () => database.close(),
    () => cluster.stop(),
    () => directory.remove(),
  ])
}
