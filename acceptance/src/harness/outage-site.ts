import { randomInt, randomUUID } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import {
  freePort,
  loadServices,
  objectStoreUrl,
  type PostgresCluster,
  S3_LATENCY,
  type S3FaultProxy,
  startPostgres,
  startS3FaultProxy,
  temporaryDirectory,
  type TemporaryDirectory,
} from '@agentfs/testkit'
import { Service } from './service.js'
import { TcpProxy } from './tcp-proxy.js'

/** What a service stands on, by the names of its metric. */
export const DEPENDENCIES = ['object_store', 'kms', 'queue', 'database'] as const
export type Dependency = (typeof DEPENDENCIES)[number]

/** A service on an S3 server, a Postgres, a Redis and a key file, each of which can be taken away and given back. */
export class OutageSite {
  readonly directory: string
  readonly service: Service
  readonly client: AgentfsClient
  readonly key: string
  readonly store: S3FaultProxy
  readonly #metricsPort: number
  readonly #lines: Readonly<Record<'queue' | 'database', TcpProxy>>
  readonly #postgres: PostgresCluster
  readonly #temporary: TemporaryDirectory

  private constructor(parts: {
    temporary: TemporaryDirectory
    service: Service
    tenant: { client: AgentfsClient; key: string }
    store: S3FaultProxy
    metricsPort: number
    lines: Record<'queue' | 'database', TcpProxy>
    postgres: PostgresCluster
  }) {
    this.#temporary = parts.temporary
    this.directory = parts.temporary.path
    this.service = parts.service
    this.client = parts.tenant.client
    this.key = parts.tenant.key
    this.store = parts.store
    this.#metricsPort = parts.metricsPort
    this.#lines = parts.lines
    this.#postgres = parts.postgres
  }

  /** Starts everything. Unwrapped keys live for 3 s, so that a short outage of the KMS is one. */
  static async start(environment: Readonly<Record<string, string>> = {}): Promise<OutageSite> {
    const temporary = await temporaryDirectory('acceptance')
    const { s3, redis } = loadServices()
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    const lines = {
      queue: await TcpProxy.start(redis.port),
      database: await TcpProxy.start(postgres.port),
    }
    const store = await startS3FaultProxy(s3.versitygw.endpoint, { latency: S3_LATENCY.sameRegion })
    const objects = new URL(objectStoreUrl(s3.versitygw, `outages-${randomUUID()}`))
    objects.searchParams.set('endpoint', store.url)
    const metricsPort = await freePort()
    const service = await Service.start({
      home: join(temporary.path, 'service'),
      environment: {
        DATABASE_URL: at(database.url, lines.database),
        // A Redis of one's own, as far as others are concerned who use the same server.
        REDIS_URL: `${at(redis.url, lines.queue)}/${randomInt(1, 16)}`,
        OBJECT_STORE: objects.href,
        AWS_ACCESS_KEY_ID: s3.versitygw.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.versitygw.secretAccessKey,
        AGENTFS_KEY_LEASE_SECONDS: '3',
        METRICS_PORT: String(metricsPort),
        ...environment,
      },
    })
    const tenant = await service.signup('outages')
    return new OutageSite({ temporary, service, tenant, store, metricsPort, lines, postgres })
  }

  /** Takes something away. */
  async take(dependency: Dependency): Promise<void> {
    if (dependency === 'kms') await rename(this.#keyFile, `${this.#keyFile}.away`)
    else if (dependency === 'object_store') await this.store.close()
    else await this.#lines[dependency].cut()
  }

  /** Gives it back. */
  async give(dependency: Dependency): Promise<void> {
    if (dependency === 'kms') await rename(`${this.#keyFile}.away`, this.#keyFile)
    else if (dependency === 'object_store') await this.store.listen()
    else await this.#lines[dependency].mend()
  }

  /** A figure of `/metrics`, by its name with its labels. */
  async metric(name: string): Promise<number> {
    const page = await (await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)).text()
    const line = page.split('\n').find((one) => one.startsWith(`${name} `))
    if (line === undefined) throw new Error(`there is no ${name} in:\n${page}`)
    return Number(line.slice(name.length + 1))
  }

  /** What of these dependencies the service says is up. */
  async up(): Promise<Dependency[]> {
    const up: Dependency[] = []
    for (const one of DEPENDENCIES) {
      if ((await this.metric(`agentfs_dependency_up{dependency="${one}"}`)) === 1) up.push(one)
    }
    return up
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    await this.service.stop()
    await this.store.close()
    for (const line of Object.values(this.#lines)) await line.close()
    await this.#postgres.stop()
    await this.#temporary.remove()
  }

  get #keyFile(): string {
    return join(this.service.home, 'keys', 'kms.json')
  }
}

function at(url: string, line: TcpProxy): string {
  const through = new URL(url)
  through.host = new URL(line.url).host
  return through.href.replace(/\/$/, '')
}
