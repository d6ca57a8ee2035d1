import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { chmod, chown, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import { ordinaryUser, type OrdinaryUser } from './harness/ordinary-user.js'
import { run } from './harness/process.js'
import { Service } from './harness/service.js'
import { settled } from './harness/settle.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
let user: OrdinaryUser
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  // The service's folder stays private; the machines below are the user's own.
  await chmod(directory.path, 0o711)
  user = await ordinaryUser()
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('unprivileged'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await user?.close()
  await service?.stop()
  await directory?.remove()
})

async function machineOf(agent: string): Promise<Machine> {
  const home = join(directory.path, agent)
  await mkdir(home, { mode: 0o700 })
  await chown(home, user.uid, user.uid === process.getuid?.() ? -1 : user.uid)
  const machine = new Machine({
    home,
    service,
    token: key,
    agent,
    through: user.through,
  })
  closing.push(() => machine.close())
  return machine
}

describe('an ordinary user, through fusermount3', () => {
  it('mounts, writes, reads, unmounts; files are shown as its own', async () => {
    const machine = await machineOf('plain')
    const mount = await machine.mount()
    expect(await mount.output('mkdir d && echo hello > d/f.md && cat d/f.md && stat -c %u d/f.md')).toBe(
      `hello\n${user.uid}\n`,
    )
    await mount.output('chmod 640 d/f.md && mv d/f.md d/g.md && ln -s g.md d/link && cat d/link')
    await settled(machine)
    expect(await client.agent('plain').files.readText('d/g.md')).toBe('hello\n')
    await client.agent('plain').files.write('d/g.md', 'from elsewhere\n')
    await waitFor(async () => (await mount.shell('cat d/g.md')).stdout === 'from elsewhere\n', {
      deadlineMs: 5_000,
      what: 'the change made elsewhere',
    })
    expect((await mount.unmount()).code).toBe(0)
    expect((await machine.run('mountpoint', '-q', mount.directory)).code).not.toBe(0)
  })

  it('after kill -9 the next mount cleans up what is dead', async () => {
    const machine = await machineOf('killed')
    const mount = await machine.mount()
    await mount.output('echo kept > kept.md')
    await mount.kill()
    const again = await machine.mount()
    expect(await again.output('cat kept.md')).toBe('kept\n')
    expect((await again.unmount()).code).toBe(0)
  })

  it('key, store and sockets are readable by nobody else', async () => {
    const machine = await machineOf('private')
    const mount = await machine.mount()
    await mount.output('echo x > x.md')
    const outside = [machine.home, '-path', mount.directory, '-prune', '-o']
    const files = await machine.run('find', ...outside, '-type', 'f', '-print')
    expect(files.stdout).toMatch(/store\.key/)
    const open = await machine.run(
      'find',
      ...outside,
      '(',
      '-type',
      'f',
      '-o',
      '-type',
      's',
      ')',
      '-perm',
      '/077',
      '-print',
    )
    // What is not private by itself lies in a folder that is.
    for (const path of open.stdout.split('\n').filter((line) => line !== '')) {
      const above = await machine.run('stat', '-c', '%a', dirname(path))
      expect({ path, mode: above.stdout.trim() }).toEqual({ path, mode: '700' })
    }
  })
})

describe('[DUR-8] run', () => {
  it.each([0, 7])('passes on the exit status %d, and what was written is at the service', async (status) => {
    const machine = await machineOf(`run-${status}`)
    const done = await machine.cli(['run', '--', 'sh', '-c', `echo x > f.md; pwd; exit ${status}`])
    expect({ code: done.code, stderr: done.stderr }).toEqual({ code: status, stderr: expect.any(String) })
    expect(await client.agent(`run-${status}`).files.readText('f.md')).toBe('x\n')
    const folder = done.stdout.split('\n').find((line) => line.startsWith('/')) ?? ''
    expect((await machine.run('stat', folder)).code).toBe(1)
    expect(await machine.status()).toEqual([])
  })

  it('passes options of the command on untouched, and its input and output', async () => {
    const machine = await machineOf('run-io')
    const done = await machine.cli(
      ['run', '--agent-id', 'run-io', '--', 'sh', '-c', 'cat > "$1"; ls -A', '--', '--help'],
      {
        input: 'from stdin\n',
      },
    )
    expect(done.code).toBe(0)
    expect(done.stdout).toBe('--help\n')
    expect(await client.agent('run-io').files.readText('--help')).toBe('from stdin\n')
  })

  it('128 + n for a command that a signal ended, and a signal to `run` goes on to it', async () => {
    const machine = await machineOf('run-signal')
    const done = await machine.cli(['run', '--', 'sh', '-c', 'echo x > f.md; kill -KILL $$'])
    expect(done.code).toBe(137)
    expect(await client.agent('run-signal').files.readText('f.md')).toBe('x\n')
  })

  it('a command that does not exist: 127 with a message, and nothing stays mounted', async () => {
    const machine = await machineOf('run-missing')
    const done = await machine.cli(['run', '--', 'no-such-command-here'])
    expect(done.code).toBe(127)
    expect(done.stderr).toMatch(/no-such-command-here/)
    expect(await machine.status()).toEqual([])
  })
})

describe('mount --daemon', () => {
  it('returns when the mount answers, and `unmount` pushes and ends it', async () => {
    const machine = await machineOf('daemon')
    const folder = join(machine.home, 'memory')
    const done = await machine.cli(['mount', folder, '--daemon', '--json'], { limitMs: 30_000 })
    expect(done.code).toBe(0)
    const { pid } = JSON.parse(done.stdout) as { pid: number }
    closing.push(async () => run('kill', ['-9', String(pid)]))
    const written = await machine.run('sh', '-c', `cd '${folder}' && echo x > f.md && cat f.md`)
    expect(written.stdout).toBe('x\n')
    expect(await machine.onlyStatus()).toMatchObject({ dir: folder, agent: 'daemon', pid })
    const ended = await machine.cli(['unmount', folder])
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' })
    expect(await client.agent('daemon').files.readText('f.md')).toBe('x\n')
    await waitFor(async () => (await run('kill', ['-0', String(pid)])).code !== 0, {
      deadlineMs: 5_000,
      what: 'the daemon to be gone',
    })
    expect((await machine.run('mountpoint', '-q', folder)).code).not.toBe(0)
  })

  it('gives the exit code and the message of a mount that failed', async () => {
    const machine = await machineOf('daemon-failed')
    const folder = join(machine.home, 'memory')
    const refused = await machine.cli(['mount', folder, '--daemon'], { token: 'nonsense', limitMs: 30_000 })
    expect(refused.code).toBe(4)
    expect(refused.stderr).not.toBe('')
    const missing = await machine.cli(['mount', folder, '--daemon', '--no-create'], { limitMs: 30_000 })
    expect(missing.code).toBe(3)
    const unreachable = await machine.cli(['mount', folder, '--daemon', '--url', 'http://127.0.0.1:9'], {
      limitMs: 30_000,
    })
    expect(unreachable.code).toBe(69)
  })

  it('the token of the command line is in no process list', async () => {
    const machine = await machineOf('daemon-token')
    const folder = join(machine.home, 'memory')
    const done = await machine.cli(['mount', folder, '--daemon', '--token', key, '--json'], {
      limitMs: 30_000,
    })
    expect(done.code).toBe(0)
    const { pid } = JSON.parse(done.stdout) as { pid: number }
    closing.push(async () => run('kill', ['-9', String(pid)]))
    const listed = await run('sh', ['-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "'])
    expect(listed.stdout).toMatch(/mount/)
    expect(listed.stdout).not.toContain(key.slice(-30))
    expect((await machine.cli(['unmount', folder])).code).toBe(0)
  })
})
