import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { openSync, closeSync } from 'node:fs'
import { chown, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { type TestkitConfig, testkitConfig } from '../config.js'
import { freePort } from '../free-port.js'
import { waitFor } from '../wait-for.js'
import { findInstallation, isReachable, type PostgresInstallation } from './installation.js'
import type { ProcessOwner } from './run-program.js'
import { createDataDirectory, SUPERUSER } from './template.js'
import { unprivilegedOwner } from './unprivileged-owner.js'
import { Watchdog } from './watchdog.js'

const COPY_ATTEMPTS = 5
const START_DEADLINE_MS = 20_000
const STOP_DEADLINE_MS = 10_000

/** What a test may choose of its Postgres. */
export interface PostgresOptions {
  /** `bin` directory of another Postgres (say `/usr/lib/postgresql/15/bin`); else `PGBIN`, else the embedded one. */
  readonly binDirectory?: string
  /** Server settings, as `-c name=value`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Keeps fsync on. Without it a kill -9 of Postgres still loses nothing; only a power cut would. */
  readonly durable?: boolean
}

/** A database on a throw-away cluster, reached as its superuser. */
export interface TestDatabase {
  readonly name: string
  readonly url: string
}

/** Starts a real Postgres on a loopback port, with a data directory of its own. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresCluster> {
  const config = testkitConfig()
  const owner = await unprivilegedOwner()
  const installation = await findInstallation(
    config,
    owner,
    options.binDirectory ?? config.postgresBinDirectory,
  )
  const directory = await mkdtemp(join(await dataParent(config, owner), 'agentfs-postgres-'))
  try {
    if (owner.uid !== undefined && owner.gid !== undefined) await chown(directory, owner.uid, owner.gid)
    const password = await createDataDirectory(config, installation, owner, join(directory, 'data'))
    const cluster = new PostgresCluster(installation, owner, directory, password, options)
    await cluster.start()
    return cluster
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

/** A running throw-away Postgres. Its data go with `stop()`, or with the process that started it. */
export class PostgresCluster {
  readonly version: string
  readonly dataDirectory: string
  readonly logFile: string
  readonly #installation: PostgresInstallation
  readonly #owner: ProcessOwner
  readonly #directory: string
  readonly #password: string
  readonly #options: PostgresOptions
  #watchdog: Watchdog | undefined
  #child: ChildProcess | undefined
  #port = 0

  /** Use `startPostgres`. */
  constructor(
    installation: PostgresInstallation,
    owner: ProcessOwner,
    directory: string,
    password: string,
    options: PostgresOptions,
  ) {
    this.version = installation.version
    this.dataDirectory = join(directory, 'data')
    this.logFile = join(directory, 'log')
    this.#installation = installation
    this.#owner = owner
    this.#directory = directory
    this.#password = password
    this.#options = options
  }

  /** The loopback port; it stays the same over `crash()` and `start()`. */
  get port(): number {
    return this.#port
  }

  /** The postmaster's process id, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The superuser's connection string. */
  url(database = 'postgres'): string {
    return `postgres://${SUPERUSER}:${this.#password}@127.0.0.1:${this.#port}/${database}`
  }

  /** A new database: empty, or a copy of `template`, to which nothing may be connected at that moment. */
  async createDatabase(options: { name?: string; template?: string } = {}): Promise<TestDatabase> {
    const name = options.name ?? `test_${randomBytes(6).toString('hex')}`
    const template = options.template === undefined ? '' : ` template ${quoted(options.template)}`
    await this.#administer(`create database ${quoted(name)}${template}`)
    return { name, url: this.url(name) }
  }

  /** A copy of a database that is in use: ends everybody's connection to it; pools open new ones at their next statement. */
  async copyDatabase(template: string): Promise<TestDatabase> {
    for (let attempt = 1; ; attempt++) {
      await this.#administer(
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '${template.replaceAll("'", "''")}'`,
      )
      try {
        return await this.createDatabase({ template })
      } catch (error) {
        // Somebody was back before the copy began.
        const inUse = error instanceof postgres.PostgresError && error.code === '55006'
        if (!inUse || attempt === COPY_ATTEMPTS) throw error
      }
    }
  }

  /** Drops a database, its connections first. */
  async dropDatabase(name: string): Promise<void> {
    await this.#administer(`drop database if exists ${quoted(name)} with (force)`)
  }

  /** Starts the server (again) and returns when it takes connections. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return
    this.#watchdog ??= new Watchdog(this.dataDirectory, this.#directory)
    const firstStart = this.#port === 0
    const endsAt = performance.now() + START_DEADLINE_MS
    for (;;) {
      if (firstStart) this.#port = await freePort()
      try {
        await this.#launch(endsAt)
        return
      } catch (error) {
        // Somebody took the port, or a killed server's backends still hold its shared memory: both pass.
        const passing = /could not bind|shared memory block|lock file/.test(String(error))
        if (!passing || performance.now() > endsAt) throw error
      }
    }
  }

  /** kill -9 of the server; `start()` recovers it. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Shuts the server down, keeping its data for `start()`. */
  async pause(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Stops the server and removes its data; stopping twice is fine. */
  async stop(): Promise<void> {
    await this.#end('SIGINT')
    this.#watchdog?.dismiss()
    this.#watchdog = undefined
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  async #launch(endsAt: number): Promise<void> {
    const log = openSync(this.logFile, 'a', 0o600)
    const child = spawn(this.#installation.postgres, this.#arguments(), {
      ...this.#owner,
      cwd: '/',
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child.unref()
    let failure: Error | undefined
    child.once('error', (error) => (failure = error))
    child.once('exit', (code, signal) => {
      failure ??= new Error(`ended with ${signal ?? code}`)
      if (this.#child === child) this.#child = undefined
    })
    this.#child = child
    const deadlineMs = Math.max(1_000, endsAt - performance.now())
    try {
      await waitFor(async () => failure !== undefined || this.#isReady(), {
        deadlineMs,
        what: 'Postgres to start',
      })
      if (failure !== undefined) throw failure
    } catch (cause) {
      await this.#end('SIGKILL')
      const said = (await readFile(this.logFile, 'utf8').catch(() => ''))
        .trim()
        .split('\n')
        .slice(-8)
        .join('\n')
      throw new Error(`Postgres did not start: ${said}`, { cause })
    }
  }

  #arguments(): string[] {
    const durable = this.#options.durable === true ? 'on' : 'off'
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: durable,
      full_page_writes: durable,
      max_connections: '200',
      shared_buffers: '64MB',
      max_wal_size: '256MB',
      ...this.#options.settings,
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    return ['-D', this.dataDirectory, '-p', String(this.#port), ...flags]
  }

  // Line 8 of the pid file holds the postmaster's state, and line 1 its pid: an old file is not mistaken for news.
  async #isReady(): Promise<boolean> {
    const lines = (await readFile(join(this.dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split(
      '\n',
    )
    return lines[0] === String(this.#child?.pid) && lines[7]?.trim() === 'ready'
  }

  async #end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const ended = waitFor(() => child.exitCode !== null || child.signalCode !== null, {
      deadlineMs: STOP_DEADLINE_MS,
      what: 'Postgres to stop',
    })
    child.kill(signal)
    await ended.catch(() => child.kill('SIGKILL'))
    this.#child = undefined
  }

  async #administer(statement: string): Promise<void> {
    const sql = postgres(this.url(), { max: 1, onnotice: () => undefined })
    try {
      await sql.unsafe(statement)
    } finally {
      await sql.end({ timeout: 5 })
    }
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

async function dataParent(config: TestkitConfig, owner: ProcessOwner): Promise<string> {
  const preferred = await realpath(config.temporaryDirectory)
  if (owner.uid === undefined || (await isReachable(preferred))) return preferred
  return '/tmp'
}
