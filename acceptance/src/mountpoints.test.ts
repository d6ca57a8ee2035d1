import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { startFaultProxy, temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import { run } from './harness/process.js'
import { Service } from './harness/service.js'
import { settled } from './harness/settle.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('mountpoints'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

async function machineOf(agent: string, url?: string): Promise<Machine> {
  const machine = new Machine({
    home: join(directory.path, agent),
    service,
    token: key,
    agent,
    ...(url === undefined ? {} : { url }),
  })
  await mkdir(machine.home, { recursive: true })
  closing.push(() => machine.close())
  return machine
}

describe('where a mount goes', () => {
  it('a folder that is not empty is refused with exit 2, and what is in it is untouched', async () => {
    const machine = await machineOf('not-empty')
    const folder = join(machine.home, 'full')
    await mkdir(folder)
    await writeFile(join(folder, 'mine.txt'), 'mine')
    const done = await machine.cli(['mount', folder], { limitMs: 15_000 })
    expect(done.code).toBe(2)
    expect(done.stderr).toMatch(/not empty/)
    expect((await run('cat', [join(folder, 'mine.txt')])).stdout).toBe('mine')
  })

  it('a file is refused with exit 2', async () => {
    const machine = await machineOf('a-file')
    const file = join(machine.home, 'file')
    await writeFile(file, 'mine')
    for (const target of [file, join(file, 'below')]) {
      const done = await machine.cli(['mount', target], { limitMs: 15_000 })
      expect({ target, code: done.code }).toEqual({ target, code: 2 })
      expect(done.stderr).toMatch(/not a directory/i)
    }
  })

  it('one that is mounted already is refused with exit 2, and goes on to work', async () => {
    const machine = await machineOf('twice')
    const mount = await machine.mount()
    await mount.output('echo x > x.md')
    const again = await machine.cli(['mount', mount.directory], { limitMs: 15_000 })
    expect(again.code).toBe(2)
    expect(again.stderr).toMatch(/already mounted/)
    const other = await machine.cli(['mount', mount.directory, '--agent-id', 'another'], { limitMs: 15_000 })
    expect(other.code).toBe(2)
    expect(await mount.output('cat x.md')).toBe('x\n')
  })

  it('one agent cannot be mounted twice by one store: a plain message, at once', async () => {
    const machine = await machineOf('store-locked')
    const mount = await machine.mount()
    const second = await machine.cli(['mount', join(machine.home, 'second')], { limitMs: 20_000 })
    expect(second.signal).toBeNull()
    expect(second.code).not.toBe(0)
    expect(second.stderr).toMatch(/another process .*has the client store open/)
    expect((await mount.shell('ls')).code).toBe(0)
  })

  it('two agents on one machine are two mounts; `unmount` without knowing which is a question, not a guess', async () => {
    const machine = await machineOf('two-agents')
    const one = await machine.mount('one')
    const two = await machine.mount('two', ['--agent-id', 'two-agents-other'])
    await one.output('echo one > a.md')
    await two.output('echo two > a.md')
    expect(await one.output('cat a.md')).toBe('one\n')
    expect((await machine.status()).map(({ agent }) => agent).sort()).toEqual([
      'two-agents',
      'two-agents-other',
    ])
    expect((await machine.cli(['sync'])).code).toBe(2)
    expect((await machine.cli(['unmount', one.directory])).code).toBe(0)
    expect((await one.running.exited).code).toBe(0)
    expect(await two.output('cat a.md')).toBe('two\n')
  })

  it('a missing mountpoint is made, its parents too', async () => {
    const machine = await machineOf('missing')
    const mount = await machine.mount('a/b/c')
    expect((await mount.shell('echo x > x.md && cat x.md')).stdout).toBe('x\n')
  })

  it('a mountpoint below a place where nothing can be made is refused with a message', async () => {
    const machine = await machineOf('nowhere')
    const done = await machine.cli(['mount', '/proc/agentfs-nowhere/x'], { limitMs: 15_000 })
    expect([1, 2]).toContain(done.code)
    expect(done.stderr).toMatch(/\/proc\/agentfs-nowhere/)
    expect(done.stderr).not.toMatch(/\bat .*\.js:\d+/)
  })

  it('spaces, quotes, commas and letters beyond ASCII in its name', async () => {
    const machine = await machineOf('odd-name')
    const name = 'it is, "odd" \\ ü'
    const mount = await machine.mount(name)
    const { code } = await run('sh', ['-c', 'cd "$0" && echo x > x.md', mount.directory])
    expect(code).toBe(0)
    expect((await machine.onlyStatus()).dir).toBe(mount.directory)
    expect((await machine.cli(['unmount', mount.directory])).code).toBe(0)
  })

  it('--no-create of an agent that does not exist exits 3, and makes none', async () => {
    const machine = await machineOf('no-create')
    const done = await machine.cli(['mount', join(machine.home, 'm'), '--no-create'], { limitMs: 15_000 })
    expect(done.code).toBe(3)
    expect(done.stderr).toMatch(/no-create/)
    expect((await client.listAgents()).data.map(({ name }) => name)).not.toContain('no-create')
  })

  it('an agent that is new is made, and said so', async () => {
    const machine = await machineOf('brand-new')
    const mount = await machine.mount()
    expect(mount.running.stderr).toMatch(/brand-new/)
    expect((await client.listAgents()).data.map(({ name }) => name)).toContain('brand-new')
  })
})

describe('[FS-4] a daemon that was killed', () => {
  it('answers ENOTCONN, is not in status, and the next mount cleans up by itself', async () => {
    const machine = await machineOf('killed')
    const mount = await machine.mount()
    await mount.output('echo kept > kept.md')
    await mount.kill()
    const dead = await run('stat', [mount.directory], { limitMs: 5_000 })
    expect(dead.code).toBe(1)
    expect(dead.stderr).toMatch(/Transport endpoint is not connected/)
    expect(await machine.status()).toEqual([])
    const again = await machine.mount()
    expect(await again.output('cat kept.md')).toBe('kept\n')
    await settled(machine)
    expect(await client.agent('killed').files.readText('kept.md')).toBe('kept\n')
  })

  it('`unmount` cleans it up too, and says so', async () => {
    const machine = await machineOf('killed-unmount')
    const mount = await machine.mount()
    await mount.kill()
    const done = await machine.cli(['unmount', mount.directory, '--json'], { limitMs: 10_000 })
    expect(done.code).toBe(0)
    expect(JSON.parse(done.stdout)).toMatchObject({ cleaned: true })
    expect((await run('stat', [mount.directory])).code).toBe(0)
    expect((await machine.cli(['unmount', mount.directory])).code).toBe(3)
  })

  it('a process that works in the mount when it is unmounted does not hang it, nor the unmount', async () => {
    const machine = await machineOf('busy')
    const mount = await machine.mount()
    const busy = mount.shell('exec 3> open.md; while echo x >&3; do sleep 0.05; done', { limitMs: 30_000 })
    await waitFor(async () => (await run('sh', ['-c', `ls '${mount.directory}'`])).stdout === 'open.md\n', {
      deadlineMs: 5_000,
      what: 'the file to be there',
    })
    const startedAt = performance.now()
    const done = await mount.unmount()
    expect(performance.now() - startedAt).toBeLessThan(12_000)
    expect([0, 75]).toContain(done.code)
    expect((await busy).signal).toBeNull()
  })
})

describe('a client that is too old', () => {
  it('says so and exits 1, and takes nothing for lost', async () => {
    const proxy = await startFaultProxy(service.url)
    closing.push(() => proxy.close())
    const machine = await machineOf('too-old', proxy.url)
    proxy.rule = ({ path }) =>
      /\/(snapshot|changes|sync|feed)/.test(path)
        ? {
            kind: 'answer',
            status: 426,
            headers: { 'content-type': 'application/problem+json', 'agentfs-protocol': '2' },
            body: JSON.stringify({
              type: 'about:blank',
              title: 'The client is too old',
              status: 426,
              code: 'client_too_old',
              detail: 'install the current client',
              requestId: 'r',
            }),
          }
        : { kind: 'pass' }
    const startedAt = performance.now()
    const done = await machine.cli(['mount', join(machine.home, 'm')], { limitMs: 30_000 })
    expect(done.code).toBe(1)
    expect(done.stderr).toMatch(/install the current client|client_too_old/)
    expect(performance.now() - startedAt).toBeLessThan(8_000)
  })

  it('[DUR-5] what is in its journal stays there for the newer one, and is not thrown to the rejected', async () => {
    const proxy = await startFaultProxy(service.url)
    closing.push(() => proxy.close())
    const machine = await machineOf('too-old-journal', proxy.url)
    const problem = JSON.stringify({
      type: 'about:blank',
      title: 't',
      status: 426,
      code: 'client_too_old',
      requestId: 'r',
    })
    let old = false
    proxy.rule = ({ path }) =>
      old && /\/(snapshot|changes|sync|feed)/.test(path)
        ? {
            kind: 'answer',
            status: 426,
            headers: { 'content-type': 'application/problem+json' },
            body: problem,
          }
        : { kind: 'pass' }
    const first = await machine.mount()
    old = true
    await first.output('echo kept > kept.md')
    await waitFor(
      () => proxy.requests.some(({ method, path }) => method === 'POST' && path.endsWith('/sync')),
      {
        deadlineMs: 10_000,
        what: 'a push to be tried',
      },
    )
    expect((await first.unmount()).code).toBe(75)
    old = false
    const again = await machine.mount()
    expect(await again.output('cat kept.md; ls .agentfs/rejected')).toBe('kept\n')
    await waitFor(
      async () => (await client.agent('too-old-journal').files.readText('kept.md')) === 'kept\n',
      { deadlineMs: 15_000, what: 'the newer client to push' },
    )
  })
})
