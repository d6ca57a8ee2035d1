import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import type { Finished } from './harness/process.js'
import { Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
let machine: Machine

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('cli'))
  await client.createAgent({ name: 'cli' })
  machine = new Machine({ home: join(directory.path, 'home'), service, token: key, agent: 'cli' })
  await mkdir(machine.home)
})

afterAll(async () => {
  await machine?.close()
  await service?.stop()
  await directory?.remove()
})

const cli = (...args: string[]): Promise<Finished> => machine.cli(args, { limitMs: 60_000 })

/** Every line of stdout as JSON; fails where one is none. */
function lines(done: Finished): Record<string, unknown>[] {
  return done.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('exit codes', () => {
  it('0: help and version, which need nothing', async () => {
    for (const args of [['--help'], ['--version'], ['mount', '--help'], ['help', 'ls']]) {
      const done = await machine.cli(args, { environment: { AGENTFS_URL: '', AGENTFS_TOKEN: '' } })
      expect({ args, code: done.code }).toEqual({ args, code: 0 })
      expect(done.stdout).not.toBe('')
    }
  })

  it('2: called wrongly, with a hint and without a stack', async () => {
    const wrong: string[][] = [
      [],
      ['nonsense'],
      ['mount'],
      ['ls', '--no-such-option'],
      ['put'],
      ['mount', 'd', '--durability=perhaps'],
      ['mount', 'd', '--owners=everybody'],
      ['ls', '--url', 'nonsense'],
      ['ls', '--url', 'http://example.com'],
      ['ls', '--url', 'ftp://127.0.0.1'],
      ['ls', '--token-file', '/nonexistent'],
      ['restore', 'x', '--file-version', '1', '--at', '2026-01-31T12:00:00Z'],
      ['ls', '--deleted', '--glob', '*.md'],
      ['cat', 'a/../b'],
    ]
    for (const args of wrong) {
      const done = await cli(...args)
      expect({ args, code: done.code }).toEqual({ args, code: 2 })
      expect(done.stderr).not.toBe('')
      expect(done.stderr).not.toMatch(/\bat .*\.js:\d+/)
      expect(done.stdout).toBe('')
    }
  })

  it('2: --version beside a command, where a version of a file is meant; alone it stays', async () => {
    expect((await machine.cli(['put', '-', 'versions.md'], { input: 'one' })).code).toBe(0)
    expect((await machine.cli(['put', '-', 'versions.md'], { input: 'two' })).code).toBe(0)
    for (const args of [
      ['restore', 'versions.md', '--version', '1'],
      ['cat', 'versions.md', '--version', '1'],
      ['cat', '-V', '1', 'versions.md'],
      ['--version', 'cat', 'versions.md'],
    ]) {
      const done = await cli(...args)
      expect({ args, code: done.code, stdout: done.stdout }).toEqual({ args, code: 2, stdout: '' })
      expect(done.stderr).toMatch(/use --file-version N/)
    }
    expect((await cli('cat', 'versions.md', '--file-version', '1')).stdout).toBe('one')
    for (const args of [['--version'], ['-V'], ['--agent-id', 'log', '--version']]) {
      const done = await cli(...args)
      expect({ args, code: done.code }).toEqual({ args, code: 0 })
      expect(done.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    }
  })

  it('2: what the command cannot take, with what can', async () => {
    for (const [args, says] of [
      [['put', machine.home], /is a folder: `agentfs-client import` takes folders/],
      [['put', machine.home, 'x.md'], /is a folder: `agentfs-client import` takes folders/],
      [
        ['export', '--to', join(machine.home, 'home.zip')],
        /no \.zip: name a \.tar file, a \.jsonl file or a folder/,
      ],
      [['export', '--to', join(machine.home, 'home.tar.gz')], /no \.gz: name a \.tar file/],
      [['export', '--to', join(machine.home, 'home.TGZ')], /no \.TGZ: name a \.tar file/],
      [['ls', '--agent-id', ''], /the agent's name is empty/],
    ] as const) {
      const done = await cli(...args)
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 2,
        stderr: expect.stringMatching(says),
      })
    }
    expect((await readdir(machine.home)).filter((name) => name.startsWith('home.'))).toEqual([])
  })

  it('2: a question that nobody can be asked says what to give instead', async () => {
    const { tenant } = await client.whoami()
    for (const [args, give] of [
      [['rm', '--erase', 'e.md', 'f.md'], '--yes to erase e.md, f.md with every version'],
      [['agents', 'delete', 'cli'], '--yes to delete cli and all its files'],
      [['agents', 'delete', 'cli', '--erase'], '--yes to erase cli and all its files'],
      [['agents', 'mirror', 'on', 'cli'], '--accept-plaintext to mirror cli'],
      [['tenant', 'erase', tenant.name], `--yes to erase ${tenant.name}`],
      [['signup'], '--email ADDRESS'],
      [['signup', '--email', 'who@example.com'], '--password-stdin, and the password on standard input'],
    ] as const) {
      const done = await cli(...args)
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 2,
        stderr: expect.stringContaining(
          `agentfs-client: not a terminal, so nobody can be asked: give ${give}\n`,
        ),
      })
    }
  })

  it('4: no credentials; 2: no agent', async () => {
    const none = await machine.cli(['ls'], { environment: { AGENTFS_TOKEN: '' } })
    expect(none.code).toBe(4)
    expect(none.stderr).toMatch(/signup|login|AGENTFS_TOKEN/)
    const agentless = await machine.cli(['ls'], { environment: { AGENTFS_AGENT: '' } })
    expect(agentless.code).toBe(2)
    expect(agentless.stderr).toMatch(/--agent-id/)
  })

  it('3: not found', async () => {
    const missing: string[][] = [
      ['cat', 'missing.md'],
      ['ls', '--agent-id', 'nobody'],
      ['rm', 'missing.md'],
      ['log', 'missing.md'],
      ['restore', 'missing.md'],
      ['mv', 'missing.md', 'x.md'],
      ['unmount', join(machine.home, 'nothing')],
      ['status', join(machine.home, 'nothing')],
      ['sync'],
      ['keys', 'revoke', 'AAAAAAAAAAAA'],
      ['agents', 'delete', 'nobody', '--yes'],
      ['watch', '--agent-id', 'nobody'],
    ]
    for (const args of missing) {
      const done = await cli(...args)
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 3,
        stderr: expect.stringMatching(/./),
      })
      expect(done.stderr).not.toMatch(/\bat .*\.js:\d+/)
    }
    expect((await cli('rm', '-f', 'missing.md')).code).toBe(0)
  })

  it('3: no such agent, with its name and the next step', async () => {
    for (const args of [
      ['ls', '--agent-id', 'heir'],
      ['put', '/etc/hostname', 'x.md', '--agent-id', 'heir'],
      ['import', machine.home, '--agent-id', 'heir'],
      ['import', 'agent:heir/notes'],
      ['export', '--agent-id', 'heir', '--to', join(machine.home, 'no-agent')],
      ['watch', '--agent-id', 'heir'],
      ['agents', 'rename', 'heir', 'other'],
      ['agents', 'mirror', 'status', 'heir'],
      ['mount', join(machine.home, 'no-agent'), '--agent-id', 'heir', '--no-create'],
    ]) {
      const done = await cli(...args)
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 3,
        stderr: expect.stringContaining(
          "there is no agent 'heir'; agentfs-client agents list shows those there are, agents create heir makes it",
        ),
      })
    }
  })

  it('4: credentials that are malformed, revoked, or too weak', async () => {
    const made = await client.createKey({ name: 'revoked' })
    await client.revokeKey(made.id)
    const reader = await client.createKey({ name: 'reader', role: 'reader' })
    for (const [token, args] of [
      ['nonsense', ['ls']],
      ['afs_live_nonsense', ['whoami']],
      [made.secret, ['whoami']],
      [reader.secret, ['mkdir', 'not-allowed']],
      [reader.secret, ['keys', 'create', 'more']],
      ['nonsense', ['mount', join(machine.home, 'm')]],
    ] as const) {
      const done = await machine.cli(args, { token, limitMs: 20_000 })
      expect({ args, code: done.code }).toEqual({ args, code: 4 })
      expect(done.stderr).not.toContain(token.slice(-12))
    }
  })

  it('5: conflict', async () => {
    expect((await machine.cli(['put', '-', 'five.md'], { input: 'x' })).code).toBe(0)
    expect((await cli('mkdir', 'five')).code).toBe(0)
    expect((await machine.cli(['put', '-', 'five/x.md'], { input: 'x' })).code).toBe(0)
    for (const args of [
      ['mkdir', 'five'],
      ['rm', 'five'],
      ['mv', 'five.md', 'five/x.md'],
      ['cp', 'five.md', 'five/x.md'],
      ['agents', 'create', 'cli'],
    ]) {
      expect({ args, code: (await cli(...args)).code }).toEqual({ args, code: 5 })
    }
    const stale = ['put', '-', 'five.md', '--if-match', '0192aaaa-0000-7000-8000-000000000000']
    expect((await machine.cli(stale, { input: 'y' })).code).toBe(5)
    expect((await machine.cli(['put', '-', 'five.md', '--create-only'], { input: 'y' })).code).toBe(5)
    expect((await cli('cat', 'five.md')).stdout).toBe('x')
  })

  it('69: nobody answers', async () => {
    for (const args of [['ls'], ['whoami'], ['cat', 'x'], ['put', '/etc/hostname', 'x'], ['watch']]) {
      const done = await cli(...args, '--url', 'http://127.0.0.1:9')
      expect({ args, code: done.code }).toEqual({ args, code: 69 })
      expect(done.stderr).toMatch(/127\.0\.0\.1:9/)
    }
  })

  it('1: at once, where a folder that was named cannot be made', async () => {
    for (const { args, environment } of [
      { args: ['export', '--to', '/proc/agentfs-nowhere/x'], environment: {} },
      { args: ['login', '--token', key], environment: { XDG_CONFIG_HOME: '/proc/agentfs-nowhere' } },
      {
        args: ['mount', join(machine.home, 'not-made')],
        environment: { XDG_STATE_HOME: '/proc/agentfs-nowhere' },
      },
    ]) {
      const done = await machine.cli(args, { environment, limitMs: 20_000 })
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 1,
        stderr: expect.stringMatching(/cannot make \/proc\/agentfs-nowhere\/\S+: ENOENT/),
      })
    }
  })

  it('1: doctor names what fails, and its remedy', async () => {
    const well = await cli('doctor', '--json')
    expect({ code: well.code, stdout: well.stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/"ok":true/),
    })
    const down = await cli('doctor', '--url', 'http://127.0.0.1:9')
    expect(down.code).toBe(1)
    expect(down.stdout).toMatch(/FAILED\s+service/)
    expect(down.stdout).toMatch(/--url/)
  })
})

describe('--json', () => {
  it('every command prints one object, or one a line, on stdout', async () => {
    await writeFile(join(machine.home, 'local.md'), 'local\n')
    const calls: string[][] = [
      ['whoami'],
      ['token', '--ttl', '60'],
      ['keys', 'create', 'json'],
      ['keys', 'list'],
      ['agents', 'create', 'json-agent'],
      ['agents', 'rename', 'json-agent', 'json-renamed'],
      ['agents', 'list'],
      ['agents', 'delete', 'json-renamed', '--yes'],
      ['put', join(machine.home, 'local.md'), 'json.md'],
      ['append', 'json.md', 'more'],
      ['mkdir', 'json', '-p'],
      ['cp', 'json.md', 'json/copy.md'],
      ['mv', 'json/copy.md', 'json/moved.md'],
      ['ls', '-r'],
      ['log', 'json.md'],
      ['restore', 'json.md', '--file-version', '1'],
      ['audit', '--limit', '5'],
      ['rm', 'json/moved.md'],
      ['status'],
      ['doctor'],
    ]
    for (const args of calls) {
      const done = await cli(...args, '--json')
      expect({ args, code: done.code, stderr: done.stderr }).toEqual({
        args,
        code: 0,
        stderr: expect.any(String),
      })
      expect({ args, lines: lines(done).length }).toEqual({ args, lines: expect.any(Number) })
      expect(lines(done).length).toBeGreaterThan(0)
    }
    expect((await cli('cat', 'json.md')).stdout).toBe('local\n')
  })

  it('errors are one JSON object on stderr, with the code and the request id', async () => {
    const done = await cli('cat', 'missing.md', '--json')
    expect(done.stdout).toBe('')
    expect(JSON.parse(done.stderr)).toMatchObject({
      error: { code: 'not_found', message: expect.any(String), requestId: expect.any(String) },
    })
  })

  it('mount, status, sync and unmount', async () => {
    const mount = await machine.startMount('memory', ['--json'])
    const [mounted] = await firstLine(mount.running)
    expect(mounted).toMatchObject({
      dir: mount.directory,
      agent: 'cli',
      feed: 'connected',
      pid: expect.any(Number),
    })
    await mount.output('echo x > mounted.md')
    const status = JSON.parse((await cli('status', '--json')).stdout) as { mounts: unknown[] }
    expect(status.mounts).toEqual([
      {
        dir: mount.directory,
        agent: 'cli',
        pid: mounted?.['pid'],
        feed: 'connected',
        seq: expect.any(Number),
        journaled: expect.any(Number),
        acknowledged: expect.any(Number),
        stored: expect.any(Number),
        rejected: 0,
        conflicts: 0,
      },
    ])
    const synced = await cli('sync', mount.directory, '--until=stored', '--json')
    expect({ code: synced.code, lines: lines(synced) }).toEqual({
      code: 0,
      lines: [{ dir: mount.directory, until: 'stored' }],
    })
    expect((await client.agent('cli').files.stat('mounted.md')).state).toBe('stored')
    const unmounted = await cli('unmount', mount.directory, '--json')
    expect({ code: unmounted.code, lines: lines(unmounted) }).toEqual({
      code: 0,
      lines: [{ dir: mount.directory }],
    })
    expect((await mount.running.exited).code).toBe(0)
  })
})

describe('credentials', () => {
  it('signup keeps a key that later commands use; login makes another; logout revokes and forgets it', async () => {
    const other = new Machine({ home: join(directory.path, 'other'), service, token: '', agent: '' })
    await mkdir(other.home)
    const signed = await other.cli(['signup', '--email', 'else@example.com', '--password-stdin', '--json'], {
      input: 'correct horse battery staple',
    })
    expect(signed.code).toBe(0)
    const config = join(other.home, '.config/agentfs/config.json')
    expect((await machine.cli(['--version'])).code).toBe(0)
    const { mode } = await import('node:fs/promises').then(({ stat }) => stat(config))
    expect(mode & 0o777).toBe(0o600)
    expect((await other.cli(['agents', 'create', 'mine'])).code).toBe(0)
    const wrong = await other.cli(['login', '--email', 'else@example.com', '--password-stdin'], {
      input: 'wrong password here',
    })
    expect(wrong.code).toBe(4)
    const login = await other.cli(['login', '--email', 'else@example.com', '--password-stdin', '--json'], {
      input: 'correct horse battery staple',
    })
    expect({ code: login.code, stderr: login.stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    const keyId = String((JSON.parse(login.stdout) as Record<string, unknown>)['keyId'])
    expect((await other.cli(['whoami'])).code).toBe(0)
    expect((await other.cli(['logout'])).code).toBe(0)
    expect((await other.cli(['whoami'])).code).toBe(4)
    const first = JSON.parse(signed.stdout) as { apiKey: { secret: string } }
    const keys = lines(await other.cli(['keys', 'list', '--json'], { token: first.apiKey.secret }))
    expect(keys.find(({ id }) => id === keyId)?.['revokedAt']).not.toBeNull()
  })

  it('a saved key is never sent to another service', async () => {
    const other = new Machine({ home: join(directory.path, 'elsewhere'), service, token: '', agent: '' })
    await mkdir(other.home)
    await other.cli(['login', '--token', key])
    expect((await other.cli(['whoami'])).code).toBe(0)
    const sent = await other.cli(['whoami', '--url', 'http://127.0.0.1:9'])
    expect(sent.code).toBe(4)
  })

  it('a token comes from stdin, a file, or the environment', async () => {
    const file = join(machine.home, 'token')
    await writeFile(file, `${key}\n`)
    expect(
      (await machine.cli(['whoami', '--token', '-'], { input: `${key}\n`, token: 'nonsense' })).code,
    ).toBe(0)
    expect((await machine.cli(['whoami', '--token-file', file], { token: 'nonsense' })).code).toBe(0)
    expect((await machine.cli(['whoami'])).code).toBe(0)
  })
})

async function firstLine(running: { stdout: string; alive: boolean }): Promise<Record<string, unknown>[]> {
  const deadline = Date.now() + 30_000
  while (!running.stdout.includes('\n')) {
    if (!running.alive || Date.now() > deadline) throw new Error('the mount said nothing')
    await setTimeout(20)
  }
  return running.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
