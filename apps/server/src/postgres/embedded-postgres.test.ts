import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import postgres from 'postgres'
import {
  EmbeddedPostgresError,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './index.js'

const isRoot = userInfo().uid === 0
const BUILT = new URL('../../dist/postgres/index.js', import.meta.url).href

let template: TemporaryDirectory
let home: TemporaryDirectory
const running: EmbeddedPostgres[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  template = await temporaryDirectory('postgres-template')
  const server = await startEmbeddedPostgres(optionsIn(template.path))
  await query(server.url, 'create table kept (value text not null)')
  await server.stop()
})

afterAll(() => template.remove())

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const server of running.splice(0)) await server.stop()
  const pid = await postmasterPid()
  if (pid !== undefined) process.kill(pid, 'SIGQUIT')
  await waitFor(async () => (await postmasterPid()) === undefined, {
    deadlineMs: 20_000,
    what: 'Postgres to end',
  })
  await home.remove()
})

describe('a first start', () => {
  it('makes a cluster whose rows survive a stop and a start', async () => {
    home = await temporaryDirectory('postgres')
    const progress: string[] = []
    const first = await start({ onProgress: (message) => progress.push(message) })
    await query(first.url, `create table kept (value text); insert into kept values ('here')`)
    await first.stop()
    const second = await start()
    expect(await query(second.url, 'select value from kept')).toEqual([{ value: 'here' }])
    expect(progress).toEqual(['creating the database (first start only)'])
  })

  it('throws away what an interrupted first start left', async () => {
    home = await temporaryDirectory('postgres')
    const leftover = join(home.path, 'postgres', 'data.new-0123456789ab')
    await mkdir(leftover, { recursive: true })
    await writeFile(join(leftover, 'PG_VERSION'), '18\n')
    const server = await start()
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await readdir(join(home.path, 'postgres'))).not.toContain('data.new-0123456789ab')
  })
})

describe('durability and access', () => {
  it('[DUR-1] runs with fsync, full page writes, synchronous commit and data checksums', async () => {
    await useTemplate()
    const { url } = await start()
    const names = ['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums']
    const values = await Promise.all(names.map((name) => query(url, `show ${name}`)))
    expect(values.flat()).toEqual(names.map((name) => ({ [name]: 'on' })))
  })

  it('listens on loopback only, keeps its password to itself and refuses another', async () => {
    await useTemplate()
    const { url } = await start()
    expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
    expect(await query(url, 'show unix_socket_directories')).toEqual([{ unix_socket_directories: '' }])
    expect((await stat(passwordFile())).mode & 0o777).toBe(0o600)
    const wrong = new URL(url)
    wrong.password = 'wrong'
    await expect(query(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/)
  })

  it('sets a new password where the file was lost, and keeps the rows', async () => {
    await useTemplate()
    const before = await start()
    await query(before.url, `insert into kept values ('here')`)
    await before.stop()
    await rm(passwordFile())
    const after = await start()
    expect(after.url).not.toBe(before.url)
    expect(await query(after.url, 'select value from kept')).toEqual([{ value: 'here' }])
  })
})

describe('kill -9', () => {
  it('[DUR-1] of Postgres alone: it comes back on the same URL with every committed row', async () => {
    await useTemplate()
    const server = await start()
    await query(server.url, `insert into kept values ('before')`)
    const killed = server.pid
    signal(killed, 'SIGKILL')
    await waitFor(() => server.pid !== undefined && server.pid !== killed, {
      deadlineMs: 20_000,
      what: 'a new postmaster',
    })
    expect(await query(server.url, 'select value from kept')).toEqual([{ value: 'before' }])
  })

  it('of Postgres over and over: reports that it keeps crashing and gives up', async () => {
    await useTemplate()
    const failures: EmbeddedPostgresError[] = []
    const server = await start({ onFailure: (error) => failures.push(error) })
    let killed = 0
    await waitFor(
      () => {
        if (server.pid !== undefined && server.pid !== killed) signal((killed = server.pid), 'SIGKILL')
        return failures.length > 0
      },
      { deadlineMs: 25_000, what: 'the report' },
    )
    expect(failures.map(({ reason }) => reason)).toEqual(['keeps_crashing'])
    expect(server.pid).toBeUndefined()
  })

  it('[DUR-1] of the service: the next start stops the orphan and has every committed row', async () => {
    await useTemplate()
    const child = await startInChild()
    await query(child.url, `insert into kept values ('before')`)
    await kill(child.process)
    const orphan = await postmasterPid()
    expect(orphan).toBeDefined()
    const progress: string[] = []
    const server = await start({ onProgress: (message) => progress.push(message) })
    expect(progress).toContain('stopping the Postgres that an earlier run left behind')
    expect(server.pid).not.toBe(orphan)
    expect(await query(server.url, 'select value from kept')).toEqual([{ value: 'before' }])
  })

  it('[DUR-1] of the service and then Postgres, in the middle of writing: recovers every committed row', async () => {
    await useTemplate()
    const child = await startInChild()
    const orphan = await postmasterPid()
    const committed = await writeUntilKilled(child.url, async () => {
      await kill(child.process)
      signal(orphan, 'SIGKILL')
    })
    const progress: string[] = []
    const server = await start({ onProgress: (message) => progress.push(message) })
    expect(progress).toContain('recovering Postgres after an unclean stop')
    const rows = await query(server.url, 'select value from kept')
    expect(committed.length).toBeGreaterThan(0)
    expect(rows.map(({ value }) => value)).toEqual(expect.arrayContaining([...committed]))
  })

  it('leaves a program alone that now has the process id of the dead postmaster', async () => {
    await useTemplate()
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' })
    children.push(bystander)
    const lines = [
      bystander.pid,
      join(home.path, 'postgres', 'data'),
      1,
      5432,
      '',
      '127.0.0.1',
      '1 1',
      'ready   ',
    ]
    await writeFile(join(home.path, 'postgres', 'data', 'postmaster.pid'), `${lines.join('\n')}\n`)
    const server = await start()
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull()
  })
})

describe('signals', () => {
  it('Ctrl-C in the terminal does not reach Postgres before the service stops it in order', async () => {
    await useTemplate()
    const child = await startInChild()
    signalGroup(child.process.pid, 'SIGINT')
    await waitFor(() => child.process.exitCode !== null, { deadlineMs: 20_000, what: 'the service to end' })
    expect(child.process.exitCode).toBe(0)
    // The child inserted this after the signal and before its stop().
    const server = await start()
    expect(await query(server.url, 'select value from kept')).toEqual([{ value: 'after Ctrl-C' }])
  })

  it('a service that ends without stop() takes Postgres with it', async () => {
    await useTemplate()
    const child = await startInChild('process.exit(3)')
    await waitFor(() => child.process.exitCode === 3, { deadlineMs: 20_000, what: 'the service to end' })
    await waitFor(async () => (await postmasterPid()) === undefined, {
      deadlineMs: 20_000,
      what: 'Postgres to end',
    })
    expect(await readFile(logFile(), 'utf8')).toContain('database system is shut down')
  })

  it('an aborted start leaves nothing running', async () => {
    await useTemplate()
    const abort = new AbortController()
    abort.abort(new Error('enough'))
    await expect(start({ signal: abort.signal })).rejects.toThrow('enough')
    expect(await postmasterPid()).toBeUndefined()
    await start()
  })
})

describe('refusals', () => {
  it('names the process that already serves the directory, and does not disturb it', async () => {
    await useTemplate()
    const server = await start()
    const refusal = await startFails()
    expect(refusal.reason).toBe('in_use')
    expect(refusal.message).toContain(`(process ${process.pid})`)
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('leaves data of another major version as it is and says what to do', async () => {
    await useTemplate()
    await writeFile(join(home.path, 'postgres', 'data', 'PG_VERSION'), '17\n')
    const refusal = await startFails()
    expect(refusal.reason).toBe('other_major')
    expect(refusal.message).toMatch(/written by Postgres 17, and this release brings 18\. .*pg_dump/s)
    expect(existsSync(join(home.path, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
  })

  it('names a port that is taken', async () => {
    await useTemplate()
    const other = createServer().listen(0, '127.0.0.1')
    await waitFor(() => other.listening, { deadlineMs: 5_000, what: 'the listener' })
    const address = other.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const refusal = await startFails({ port })
    other.close()
    expect(refusal.reason).toBe('port_taken')
    expect(refusal.message).toContain(String(port))
  })
})

describe('users', () => {
  // Which users there are to try depends on who we are: only root can become another.
  if (isRoot) {
    it('as root: runs as another user, also below a directory that only root can enter', async () => {
      await useTemplate()
      const server = await start()
      expect((await stat(home.path)).mode & 0o777).toBe(0o700)
      expect(await processUid(server.pid)).not.toBe(0)
      expect((await stat(join(home.path, 'postgres', 'data'))).uid).toBe(await processUid(server.pid))
    })
  }

  it('as an ordinary user: runs as that user', async () => {
    home = await temporaryDirectory('postgres')
    const uid = isRoot ? 65_534 : userInfo().uid
    const child = await startInChild('', isRoot ? uid : undefined)
    expect(await query(child.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await processUid(await postmasterPid())).toBe(uid)
    child.process.kill('SIGINT')
    await waitFor(() => child.process.exitCode === 0, { deadlineMs: 20_000, what: 'the service to end' })
  })
})

function optionsIn(directory: string): EmbeddedPostgresOptions {
  return {
    directory: join(directory, 'postgres'),
    passwordFile: join(directory, 'keys', 'postgres-password'),
    logFile: join(directory, 'logs', 'postgres.log'),
  }
}

const passwordFile = (): string => optionsIn(home.path).passwordFile
const logFile = (): string => optionsIn(home.path).logFile

/** Gives the test a cluster of its own, copied as `cp -r` as root would: everything then belongs to us. */
async function useTemplate(): Promise<void> {
  home = await temporaryDirectory('postgres')
  await cp(template.path, home.path, { recursive: true })
}

async function start(extra: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ ...optionsIn(home.path), ...extra })
  running.push(server)
  return server
}

async function startFails(extra: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgresError> {
  const outcome = await start(extra).catch((error: unknown) => error)
  if (outcome instanceof EmbeddedPostgresError) return outcome
  throw new Error('expected a refusal', { cause: outcome })
}

/** A service of its own in a process group of its own; it stops Postgres on SIGINT, after one more insert. */
async function startInChild(afterReady = '', uid?: number): Promise<{ url: string; process: ChildProcess }> {
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(BUILT)}
    import postgres from 'postgres'
    const server = await startEmbeddedPostgres(${JSON.stringify(optionsIn(home.path))})
    process.on('SIGINT', async () => {
      const sql = postgres(server.url, { max: 1 })
      await sql.unsafe("create table if not exists kept (value text); insert into kept values ('after Ctrl-C')")
      await sql.end()
      await server.stop()
      process.exit(0)
    })
    process.stdout.write(server.url + '\\n')
    ${afterReady}
    setInterval(() => {}, 1_000)
  `
  const identity = uid === undefined ? {} : { uid, gid: uid }
  if (uid !== undefined) await import('node:fs/promises').then(({ chown }) => chown(home.path, uid, uid))
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    ...identity,
  })
  children.push(child)
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  await waitFor(() => output.includes('\n') || child.exitCode !== null, {
    deadlineMs: 25_000,
    what: 'the child',
  })
  return { url: output.trim(), process: child }
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  // 0 would be our own process group.
  if (pid === undefined || pid <= 1) throw new Error('no process to signal')
  process.kill(pid, name)
}

function signalGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) throw new Error('no process group to signal')
  process.kill(-pid, name)
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await waitFor(() => child.signalCode === 'SIGKILL', { deadlineMs: 5_000, what: 'the kill' })
}

/** Inserts rows one by one, kills in the middle, and gives the rows whose commit was confirmed. */
async function writeUntilKilled(url: string, killAll: () => Promise<void>): Promise<readonly string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 2 })
  const committed: string[] = []
  let killing: Promise<void> | undefined
  for (let row = 0; row < 100_000; row += 1) {
    const value = `row ${row}`
    const done = await sql`insert into kept values (${value})`.then(
      () => true,
      () => false,
    )
    if (!done) break
    committed.push(value)
    if (row === 200) killing = killAll()
  }
  await killing
  await sql.end({ timeout: 0 })
  return committed
}

async function query(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return [...(await sql.unsafe(statement))]
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function postmasterPid(): Promise<number | undefined> {
  const file = join(home.path, 'postgres', 'data', 'postmaster.pid')
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10)
  if (Number.isNaN(pid)) return undefined
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '')
  return basename(program) === 'postgres' ? pid : undefined
}

async function processUid(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number.parseInt(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? '', 10)
}
