import { once } from 'node:events'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { AgentfsClient } from '@agentfs/sdk'
import {
  freePort,
  type PostgresCluster,
  startPostgres,
  temporaryDirectory,
  type TemporaryDirectory,
} from '@agentfs/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import postgres from 'postgres'
import { start as runStart } from '../commands/start.js'
import { readConfig, type ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { explain } from '../operator-error.js'
import type { ServiceRole } from './roles.js'
import { Shutdown } from './shutdown.js'
import { startService } from './start-service.js'

describe('a service', () => {
  let cluster: PostgresCluster
  let directory: TemporaryDirectory
  let databaseUrl: string
  const running: Shutdown[] = []

  beforeAll(async () => {
    cluster = await startPostgres()
  })
  afterAll(async () => cluster.stop())
  beforeEach(async () => {
    directory = await temporaryDirectory('home')
    ;({ url: databaseUrl } = await cluster.createDatabase())
  })
  afterEach(async () => {
    await stopAll()
    await directory.remove()
  })

  const home = (): string => join(directory.path, 'home')

  async function stopAll(): Promise<void> {
    for (const shutdown of running.splice(0).toReversed()) await shutdown.run()
  }

  async function start(role: ServiceRole = 'all', environment: NodeJS.ProcessEnv = {}): Promise<string> {
    const failures: string[] = []
    const shutdown = new Shutdown((name, error) => failures.push(`${name}: ${explain(error)}`))
    running.push(shutdown)
    shutdown.add('the test', () => expect(failures).toEqual([]))
    const config = configOf(environment)
    await makeHome(homeAt(home()))
    const { url } = await startService({
      config: { ...config, port: await freePort() },
      home: homeAt(home()),
      role,
      log: pino({ level: 'silent' }),
      shutdown,
      progress: () => undefined,
      signal: new AbortController().signal,
      onFailure: (error) => failures.push(explain(error)),
    })
    return url ?? ''
  }

  const configOf = (environment: NodeJS.ProcessEnv = {}): ServerConfig =>
    readConfig({ AGENTFS_HOME: home(), DATABASE_URL: databaseUrl, METRICS_PORT: 'off', ...environment })

  async function signUp(url: string): Promise<AgentfsClient> {
    const { apiKey } = await new AgentfsClient({ url }).signup({
      email: 'ann@example.com',
      password: 'correct horse battery staple',
      tenant: 'ann',
    })
    const client = new AgentfsClient({ url, token: apiKey.secret })
    await client.createAgent({ name: 'research' })
    return client
  }

  const objects = async (): Promise<string[]> =>
    (await readdir(join(home(), 'objects'), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))

  it('stores what was written, with keys and state for its owner alone', async () => {
    const url = await start()
    const client = await signUp(url)
    await client.agent('research').files.write('notes.md', 'hello')
    await client.agent('research').flush({ until: 'stored' })
    const stored = await objects()
    expect(stored.filter((path) => path.includes('/seg/'))).not.toHaveLength(0)
    expect(stored.filter((path) => path.includes('/keys/'))).not.toHaveLength(0)
    for (const file of ['keys/pepper', 'keys/root-secret', 'keys/kms.json']) {
      expect((await stat(join(home(), file))).mode & 0o777).toBe(0o600)
    }
    for (const folder of ['', 'keys', 'logs'])
      expect((await stat(join(home(), folder))).mode & 0o777).toBe(0o700)
  })

  it('[DUR-6] stores what waits before it stops: the bucket alone has all of it then', async () => {
    const client = await signUp(await start())
    for (let at = 0; at < 20; at++) await client.agent('research').files.write(`${at}.md`, 'hello')
    await client.agent('research').files.readText('3.md')
    await stopAll()
    const sql = postgres(databaseUrl, { max: 1 })
    expect(await sql`select stream_id from streams where staged_since is not null`).toEqual([])
    await sql.end()
  })

  it('works as an API and a worker apart', async () => {
    await start('worker')
    const client = await signUp(await start('api'))
    await client.agent('research').files.write('notes.md', 'hello')
    await client.agent('research').flush({ until: 'stored' })
    expect((await objects()).filter((path) => path.includes('/seg/'))).not.toHaveLength(0)
  })

  it('refuses to make new keys where tenants depend on the old ones', async () => {
    await signUp(await start())
    await stopAll()
    await rm(join(home(), 'keys', 'pepper'))
    await expect(start()).rejects.toThrow('pepper is missing')
    await stopAll()
    await rm(join(home(), 'keys'), { recursive: true })
    await expect(start()).rejects.toThrow('pepper is missing')
  })

  it('has one server per state directory, and says which', async () => {
    await makeHome(homeAt(home()))
    const lock = lockHome(homeAt(home()))
    expect(() => lockHome(homeAt(home()))).toThrow(`process ${process.pid}`)
    lock.release()
    lockHome(homeAt(home())).release()
  })

  it('beside a running one names its process, and not only the port that it has', async () => {
    await makeHome(homeAt(home()))
    const lock = lockHome(homeAt(home()))
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { port } = listening.address() as AddressInfo
    expect(await runStart({ role: 'all', jsonLog: false }, { ...configOf(), port })).toBe(1)
    expect(await readFile(join(home(), 'logs', 'service.log'), 'utf8')).toContain(`process ${process.pid}`)
    listening.close()
    lock.release()
  })

  it('refuses a state directory that it cannot make, at once', async () => {
    await expect(makeHome(homeAt('/proc/agentfs'))).rejects.toThrow('/proc/agentfs')
  })
})
