import { join } from 'node:path'
import { assertSafe, Database, migrate, roleUrl } from '@agentfs/storage'
import { prepareQueueSchema, QUEUE_ROLE } from '@agentfs/worker'
import type { ServerConfig } from '../config.js'
import type { Home } from '../home.js'
import { startEmbeddedPostgres } from '../postgres/index.js'
import { type DatabasePasswords, databasePasswords } from '../secrets/database-passwords.js'
import type { Shutdown } from './shutdown.js'

/** What opening the database needs. */
export interface OpenDatabaseOptions {
  readonly config: ServerConfig
  readonly home: Home
  readonly shutdown: Shutdown
  readonly progress: (message: string) => void
  readonly signal?: AbortSignal
  /** The embedded Postgres died for good. */
  readonly onFailure?: (error: Error) => void
}

/** An open database with its schema in place. */
export interface OpenedDatabase {
  readonly database: Database
  /** Of the role that may use the job queue only. */
  readonly queueUrl: string
  /** Schema version, and the steps that were applied just now. */
  readonly version: number
  readonly applied: readonly number[]
}

/** URL of the role that owns the schema: the operator's, or that of the embedded Postgres, which is started for it. */
async function ownerDatabaseUrl(options: OpenDatabaseOptions): Promise<string> {
  const { config, home, shutdown, progress } = options
  if (config.databaseUrl !== undefined) return config.databaseUrl
  const postgres = await startEmbeddedPostgres({
    directory: home.postgres,
    passwordFile: join(home.keys, 'postgres-password'),
    logFile: join(home.logs, 'postgres.log'),
    onProgress: progress,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onFailure === undefined ? {} : { onFailure: options.onFailure }),
  })
  shutdown.add('Postgres', () => postgres.stop())
  return postgres.url
}

/** Brings the schemas of service and queue up to date, sets the roles' passwords, and opens the database as those roles. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const { config, shutdown, progress } = options
  const ownerUrl = await ownerDatabaseUrl(options)
  const passwords = await databasePasswords(options.home)
  const { version, applied } = await migrateAll(ownerUrl, passwords, {
    // Nobody else uses the embedded one: what a killed predecessor left in the queue only stands in the way.
    forgetJobs: config.databaseUrl === undefined,
    progress,
  })
  const database = new Database({
    url: roleUrl(ownerUrl, 'app', passwords.app),
    headsUrl: roleUrl(ownerUrl, 'heads', passwords.heads),
  })
  shutdown.add('database', () => database.close())
  await assertSafe(database)
  return { database, queueUrl: queueUrlOf(ownerUrl, passwords.queue), version, applied }
}

async function migrateAll(
  ownerUrl: string,
  passwords: DatabasePasswords,
  { forgetJobs, progress }: { readonly forgetJobs: boolean; readonly progress: (message: string) => void },
): Promise<{ version: number; applied: readonly number[] }> {
  const result = await migrate({
    url: ownerUrl,
    passwords,
    onApplied: ({ version, name }) => progress(`database: applied migration ${version} (${name})`),
  })
  await prepareQueueSchema({ ownerUrl, password: passwords.queue, forgetJobs })
  return result
}

function queueUrlOf(ownerUrl: string, password: string): string {
  const url = new URL(ownerUrl)
  url.username = QUEUE_ROLE
  url.password = encodeURIComponent(password)
  return url.href
}
