import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { uuidv7, type Operation, type PushRequest } from '@agentfs/contracts'
import { packMessage, type AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine, type Mount } from './harness/machine.js'
import { Service } from './harness/service.js'
import { innerStatus, settled, untilStatus } from './harness/settle.js'
import { TcpProxy } from './harness/tcp-proxy.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
const closing: (() => Promise<unknown>)[] = []

/** Larger than the service takes, and a size that a mount takes: the refusal comes later. */
const TOO_LARGE = '2T'

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('refusals'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

function machineOf(agent: string, options: { url?: string; token?: string } = {}): Machine {
  const machine = new Machine({
    home: join(directory.path, agent),
    service,
    token: options.token ?? key,
    agent,
    ...(options.url === undefined ? {} : { url: options.url }),
  })
  closing.push(() => machine.close())
  return machine
}

async function lineOf(): Promise<TcpProxy> {
  const line = await TcpProxy.start(service.port)
  closing.push(() => line.close())
  return line
}

/** What `.agentfs/rejected` says: the reason of each item, and its bytes where it has some. */
async function rejectedOn(mount: Mount): Promise<{ reason: Record<string, unknown>; text: string }[]> {
  const names = (await mount.output('ls .agentfs/rejected'))
    .split('\n')
    .filter((name) => name.endsWith('.reason.json'))
  const items = []
  for (const name of names) {
    const reason = JSON.parse(await mount.output(`cat ".agentfs/rejected/${name}"`)) as Record<
      string,
      unknown
    >
    const text =
      Number(reason['size']) < 1_000_000
        ? await mount.output(`cat ".agentfs/rejected/${name.replace(/\.reason\.json$/, '')}"`)
        : ''
    items.push({ reason, text })
  }
  return items
}

describe('[SY-7] what was refused takes with it what depends on it', () => {
  it('create tmp, write tmp (refused), rename tmp over notes.md: one push, and notes.md is as it was', async () => {
    const { root } = await client.createAgent({ name: 'wire' })
    const agent = client.agent('wire')
    const notes = await agent.files.write('notes.md', 'precious\n')
    const tmp = uuidv7()
    const operations: Operation[] = [
      { op: 'create', node: tmp, kind: 'file', parent: root, name: 'tmp' },
      { op: 'write', node: tmp, base: null, version: uuidv7(), size: 2 ** 41, extents: [] },
      {
        op: 'rename',
        node: tmp,
        from: { parent: root, name: 'tmp' },
        to: { parent: root, name: 'notes.md' },
        expected: notes.node,
        flags: 'none',
      },
      { op: 'create', node: uuidv7(), kind: 'file', parent: root, name: 'apart.md' },
    ]
    const { results } = await pushOnce('wire', uuidv7(), operations)
    expect(results.map(({ status }) => status)).toEqual(['applied', 'refused', 'refused', 'applied'])
    expect(results[1]).toMatchObject({ code: 'too_large' })
    expect(results[2]).toMatchObject({ because: 1 })
    expect(await agent.files.readText('notes.md')).toBe('precious\n')
    expect((await agent.files.stat('notes.md')).node).toBe(notes.node)
    expect((await agent.files.list()).data.map(({ path }) => path).sort()).toEqual([
      'apart.md',
      'notes.md',
      'tmp',
    ])
  })

  it('the same as a replace, of a version that was never taken', async () => {
    const { root } = await client.createAgent({ name: 'wire-replace' })
    const agent = client.agent('wire-replace')
    const notes = await agent.files.write('notes.md', 'precious\n')
    const [tmp, version] = [uuidv7(), uuidv7()]
    const { results } = await pushOnce('wire-replace', uuidv7(), [
      { op: 'create', node: tmp, kind: 'file', parent: root, name: 'tmp' },
      { op: 'write', node: tmp, base: null, version, size: 2 ** 41, extents: [] },
      {
        op: 'replace',
        source: tmp,
        from: { parent: root, name: 'tmp' },
        target: notes.node,
        to: { parent: root, name: 'notes.md' },
        base: notes.version,
        version: uuidv7(),
        content: { sourceVersion: version },
      },
    ])
    expect(results.map(({ status }) => status)).toEqual(['applied', 'refused', 'refused'])
    expect(await agent.files.readText('notes.md')).toBe('precious\n')
  })

  it('on a mount: notes.md shows its old text again, at the service and in the folder, and the refusal is told', async () => {
    const machine = machineOf('chain')
    const mount = await machine.mount()
    const files = client.agent('chain').files
    await mount.output('echo precious > notes.md && : > tmp')
    await settled(machine)
    // The temporary file is the service's already: the save is a chain of operations, not one.
    await mount.output(`echo lost >> tmp && truncate -s ${TOO_LARGE} tmp && mv tmp notes.md`)
    await untilStatus(machine, 'the refusal to show in status', ({ rejected }) => rejected > 0)
    await settled(machine)
    expect(await files.readText('notes.md')).toBe('precious\n')
    expect(await mount.output('cat notes.md')).toBe('precious\n')
    const reasons = (await rejectedOn(mount)).map(({ reason }) => reason['code'])
    expect(reasons).toContain('too_large')
    // However large: its bytes are there, beginning with what was written. Each item bears the path its file had when it was
    // refused, which is that of before or after the renaming.
    const beginnings = await mount.output('find .agentfs/rejected -size +1G -exec head -c 5 {} \\;')
    expect(beginnings).toMatch(/^(lost\n)+$/)
    expect(await mount.output('ls -l .agentfs/rejected')).toMatch(/ 2199023255552 .*-(tmp|notes\.md)\n/)
    expect(mount.running.stderr).toMatch(/REFUSED .*notes\.md|REFUSED .*tmp/)
    // The mount works on.
    await mount.output('echo after > after.md')
    await settled(machine)
    expect(await files.readText('after.md')).toBe('after\n')
    expect((await mount.unmount()).code).toBe(0)
  })

  it('on a mount, as editors save: tmp was never heard of before it is renamed', async () => {
    const machine = machineOf('editor')
    const mount = await machine.mount()
    await mount.output('echo precious > notes.md')
    await settled(machine)
    await mount.output(`echo lost > tmp && truncate -s ${TOO_LARGE} tmp && mv tmp notes.md`)
    await untilStatus(machine, 'the refusal to show in status', ({ rejected }) => rejected > 0)
    await settled(machine)
    expect(await client.agent('editor').files.readText('notes.md')).toBe('precious\n')
    // Whether tmp itself was pushed before it was renamed is a question of time; the save never is half done.
    expect(await mount.output('cat notes.md')).toBe('precious\n')
  })

  it('in following pushes too: what was journaled while the refused push was under way goes with it', async () => {
    const line = await lineOf()
    const machine = machineOf('following', { url: line.url })
    const mount = await machine.mount()
    const files = client.agent('following').files
    await mount.output('echo precious > notes.md && : > tmp')
    await settled(machine)
    line.silence()
    await mount.output(`truncate -s ${TOO_LARGE} tmp`)
    // The push of the truncation is formed and cannot be answered; what comes now goes into later ones.
    await untilStatus(mount, 'a push to be under way', ({ pushInFlight }) => pushInFlight !== null)
    await mount.output('echo lost > tmp2 && mv tmp notes.md && echo apart > apart.md')
    await line.mend()
    await settled(machine, 60_000)
    expect(await files.readText('notes.md')).toBe('precious\n')
    expect(await files.readText('apart.md')).toBe('apart\n')
    expect(await mount.output('cat notes.md apart.md tmp2')).toBe('precious\napart\nlost\n')
    expect((await innerStatus(mount)).rejected).toBeGreaterThanOrEqual(2)
  })

  it('[DUR-5] the bytes are kept with the reason, and readable, over a remount too', async () => {
    const line = await lineOf()
    const machine = machineOf('kept', { url: line.url })
    const files = client.agent('kept').files
    const first = await machine.mount()
    await first.output('echo precious > notes.md')
    await settled(machine)
    await line.cut()
    await first.output('echo "not to be lost" > tmp && mv tmp notes.md && echo "nor this" > new.md')
    await first.unmount()
    await line.mend()
    // Meanwhile the machine was given a key that may only read.
    const { secret } = await client.createKey({ name: 'reader', role: 'reader' })
    const mount = await machine.mount('memory', [], { token: secret })
    await untilStatus(machine, 'the journal to be answered', ({ journal }) => journal.entries === 0)
    expect(await mount.output('cat notes.md && ls')).toBe('precious\nnotes.md\n')
    expect(await files.readText('notes.md')).toBe('precious\n')
    const check = async (on: Mount): Promise<void> => {
      const items = await rejectedOn(on)
      expect(items.map(({ text }) => text)).toEqual(
        expect.arrayContaining(['not to be lost\n', 'nor this\n']),
      )
      expect(items.map(({ reason }) => reason['code'])).toContain('forbidden')
    }
    await check(mount)
    await mount.unmount()
    const again = await machine.mount('memory')
    await check(again)
  })
})

describe('[SY-1] a key that is revoked while it is mounted', () => {
  it('closes the folder with EACCES within 1.5 s, keeps the journal, and a mount with another key pushes it', async () => {
    const line = await lineOf()
    const made = await client.createKey({ name: 'to be revoked' })
    const machine = machineOf('revoked', { url: line.url, token: made.secret })
    const mount = await machine.mount()
    await mount.output('echo before > before.md && cat before.md')
    await settled(machine)
    line.silence()
    await mount.output('echo kept > kept.md')
    await client.revokeKey(made.id)
    await line.mend()
    const startedAt = performance.now()
    await waitFor(async () => /Permission denied/.test((await mount.shell('cat before.md')).stderr), {
      deadlineMs: 30_000,
      pollMs: 20,
      what: 'reading to be refused',
    })
    const tookMs = performance.now() - startedAt
    for (const command of [
      'ls',
      'cat kept.md',
      'echo x > x.md',
      'mkdir d',
      'rm before.md',
      'mv before.md b.md',
    ]) {
      const done = await mount.shell(command)
      expect({ command, code: done.code === 0 ? 0 : 1, stderr: done.stderr }).toEqual({
        command,
        code: 1,
        stderr: expect.stringMatching(/Permission denied/),
      })
    }
    expect(await innerStatus(mount)).toMatchObject({ revoked: true })
    const status = await machine.onlyStatus()
    expect(status).toMatchObject({ feed: 'refused' })
    expect(status.journaled).toBeGreaterThan(0)
    expect((await mount.unmount()).code).toBe(75)

    const again = await machine.mount('memory', [], { token: key })
    await settled(machine)
    expect(await again.output('cat kept.md before.md')).toBe('kept\nbefore\n')
    expect(await client.agent('revoked').files.readText('kept.md')).toBe('kept\n')
    expect(tookMs).toBeLessThan(5_000)
  })

  it('[ACL-3] within 1.5 s where the line works', async () => {
    const made = await client.createKey({ name: 'to be revoked too' })
    const machine = machineOf('revoked-connected', { token: made.secret })
    const mount = await machine.mount()
    await mount.output('echo before > before.md && cat before.md')
    await settled(machine)
    await client.revokeKey(made.id)
    const startedAt = performance.now()
    await waitFor(async () => /Permission denied/.test((await mount.shell('cat before.md')).stderr), {
      deadlineMs: 20_000,
      pollMs: 20,
      what: 'reading to be refused',
    })
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    expect((await mount.unmount()).code).toBe(0)
  })

  it('a mount with a revoked key exits 4, and what is cached is not readable through it', async () => {
    const made = await client.createKey({ name: 'revoked before' })
    const machine = machineOf('revoked-before', { token: made.secret })
    const first = await machine.mount()
    await first.output('echo secret > secret.md')
    await settled(machine)
    await first.unmount()
    await client.revokeKey(made.id)
    const done = await machine.cli(['mount', first.directory], { limitMs: 20_000 })
    expect(done.code).toBe(4)
    expect(done.stderr).not.toBe('')
  })
})

describe('refusals that can be foreseen', () => {
  it('[FS-3] --read-only: everything that changes is EROFS, and reading works', async () => {
    const machine = machineOf('read-only')
    const first = await machine.mount()
    await first.output('mkdir d && echo text > notes.md && ln -s notes.md link')
    await first.unmount()
    const mount = await machine.mount('memory', ['--read-only'])
    expect(await mount.output('cat notes.md link && ls d')).toBe('text\ntext\n')
    for (const command of [
      'echo x > new.md',
      'echo x > notes.md',
      'echo x >> notes.md',
      'rm notes.md',
      'rmdir d',
      'mkdir e',
      'mv notes.md n.md',
      'chmod 600 notes.md',
      'touch notes.md',
      'ln -s a b',
      'truncate -s 0 notes.md',
    ]) {
      const done = await mount.shell(command)
      expect({ command, code: done.code, stderr: done.stderr }).toEqual({
        command,
        code: 1,
        stderr: expect.stringMatching(/Read-only file system/),
      })
    }
    expect((await innerStatus(mount)).journal.entries).toBe(0)
    expect((await mount.unmount()).code).toBe(0)
    expect(await client.agent('read-only').files.readText('notes.md')).toBe('text\n')
  })

  it('[DUR-5] a key that may only read: writing fails by itself, with EACCES or EROFS, and nothing is journaled', async () => {
    await client.createAgent({ name: 'reader' })
    await client.agent('reader').files.write('notes.md', 'text\n')
    const { secret } = await client.createKey({ name: 'reads', role: 'reader' })
    const machine = machineOf('reader', { token: secret })
    const mount = await machine.mount()
    expect(await mount.output('cat notes.md')).toBe('text\n')
    for (const command of [
      'echo x > new.md',
      'echo x >> notes.md',
      'rm notes.md',
      'mkdir e',
      'mv notes.md n.md',
    ]) {
      const done = await mount.shell(command)
      expect({ command, code: done.code, stderr: done.stderr }).toEqual({
        command,
        code: 1,
        stderr: expect.stringMatching(/Permission denied|Read-only file system/),
      })
    }
    expect(await innerStatus(mount)).toMatchObject({ journal: { entries: 0 }, rejected: 0 })
    expect(await mount.output('cat notes.md')).toBe('text\n')
  })

  it('[ACL-1] a key cut down to a folder is told at once that it cannot be mounted yet, and works over REST', async () => {
    await client.createAgent({ name: 'prefixed' })
    await client.agent('prefixed').files.write('mine/notes.md', 'mine\n', { parents: true })
    const { secret } = await client.createKey({ name: 'prefixed', prefixes: ['mine'] })
    const machine = machineOf('prefixed', { token: secret })
    const done = await machine.cli(['mount', join(machine.home, 'memory')], { limitMs: 20_000 })
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/limited to some paths/),
    })
    expect((await machine.cli(['cat', 'mine/notes.md'])).stdout).toBe('mine\n')
  })
})

describe('[DUR-3] --durability=server', () => {
  it('close returns when the service has it: another door reads it at once', async () => {
    const machine = machineOf('durable')
    const mount = await machine.mount('memory', ['--durability=server'])
    const files = client.agent('durable').files
    for (let round = 0; round < 10; round++) {
      await mount.output(`echo "round ${round}" > notes.md`)
      expect(await files.readText('notes.md')).toBe(`round ${round}\n`)
    }
  })

  it('close and fsync report what the service refuses', async () => {
    const machine = machineOf('durable-refused')
    const mount = await machine.mount('memory', ['--durability=server'])
    const script = `
      const fs = require("node:fs")
      const out = {}
      for (const call of ["closeSync", "fsyncSync"]) {
        const fd = fs.openSync(call, "w")
        fs.ftruncateSync(fd, 2 ** 41)
        try { fs[call](fd); out[call] = "ok" } catch (error) { out[call] = error.code }
      }
      console.log(JSON.stringify(out))`
    const out = JSON.parse(await mount.output(`node -e '${script}'`, { limitMs: 20_000 })) as Record<
      string,
      string
    >
    expect(out).toEqual({ closeSync: 'EFBIG', fsyncSync: 'EFBIG' })
  })

  it('[FS-4] with the service gone, Ctrl-C ends the wait of a close', async () => {
    const line = await lineOf()
    const machine = machineOf('durable-offline', { url: line.url })
    const mount = await machine.mount('memory', ['--durability=server'])
    await settled(machine)
    await line.cut()
    const startedAt = performance.now()
    const script =
      'const f = require("node:fs"), d = f.openSync("waits.md", "w"); f.writeSync(d, "waits"); f.closeSync(d)'
    const done = await mount.shell(`timeout -k 10 -s INT 2 node -e '${script}'`, { limitMs: 20_000 })
    expect(done.code).toBe(124)
    expect(performance.now() - startedAt).toBeLessThan(8_000)
    await line.mend()
    await settled(machine)
    expect(await client.agent('durable-offline').files.readText('waits.md')).toBe('waits')
  })
})

/** Sends the first push of a new store, and its very bytes again: the answer is the same [SY-8]. */
async function pushOnce(
  agent: string,
  store: string,
  operations: Operation[],
): ReturnType<ReturnType<AgentfsClient['agent']>['sync']['push']> {
  const request: PushRequest = { store, number: 1, previous: null, operations }
  const bytes = packMessage(request)
  const { epoch } = await client.getAgent(agent)
  const answer = await client.agent(agent).sync.push(bytes, epoch)
  expect(answer.digest).toBe(createHash('sha256').update(bytes).digest('hex'))
  expect(await client.agent(agent).sync.push(bytes, epoch)).toEqual(answer)
  return answer
}
