import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import { waitFor } from '@agentfs/testkit'
import type { Machine, Mount } from './harness/machine.js'
import type { Running } from './harness/process.js'
import { settled } from './harness/settle.js'
import { Site } from './harness/site.js'

/** Far below what leaving waits for the service, far above what it takes without. */
const AT_ONCE_MS = 4_000
/** What a signal leaves for pushing. */
const SIGNAL_MS = 8_000

let site: Site

beforeAll(async () => {
  site = await Site.start('leaving')
})

afterEach(() => site.tidy())

afterAll(() => site?.stop())

const isMounted = async (directory: string): Promise<boolean> =>
  (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${directory} `)

/** A mount that has something in its journal, and a service that nobody reaches any more. */
async function mountThatCannotPush(agent: string): Promise<{ machine: Machine; mount: Mount }> {
  const { machine, line } = await site.machineOnLine(agent)
  const mount = await machine.mount()
  await settled(machine)
  await line.cut()
  await mount.output('echo stays > stays.md')
  return { machine, mount }
}

/** Waits until a mount takes no more changes: it is being left. */
async function untilLeft(machine: Machine, directory: string): Promise<void> {
  const late = join(directory, 'late.md')
  await waitFor(async () => (await machine.run('touch', late)).stderr.includes('Read-only file system'), {
    deadlineMs: 5_000,
    what: 'the mount to take no more changes',
  })
}

async function says(running: Running, word: string): Promise<void> {
  await waitFor(() => running.stdout.includes(word), { deadlineMs: 20_000, what: `"${word}" to be said` })
}

describe('[DUR-8] leaving that waits for the service is cut short', () => {
  it('by a second SIGTERM: the mount ends at once with 75, and nothing stays mounted', async () => {
    const { machine, mount } = await mountThatCannotPush('twice')
    mount.running.child.kill('SIGTERM')
    await untilLeft(machine, mount.directory)
    const startedAt = performance.now()
    const done = await mount.unmount()
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS)
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/stays\.md/),
    })
    expect(await isMounted(mount.directory)).toBe(false)
  })

  it('by `unmount --force` while `unmount` waits', async () => {
    const { machine, mount } = await mountThatCannotPush('forced')
    const waiting = machine.start(['unmount', mount.directory])
    await untilLeft(machine, mount.directory)
    const startedAt = performance.now()
    const forced = await machine.cli(['unmount', mount.directory, '--force'], { limitMs: 30_000 })
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS)
    expect(forced.code).toBe(0)
    expect((await waiting.exited).code).toBe(75)
    expect(await isMounted(mount.directory)).toBe(false)
  })

  it('by a SIGTERM, within the limit of that, while `unmount` waits for longer', async () => {
    const { machine, mount } = await mountThatCannotPush('shortened')
    const waiting = machine.start(['unmount', mount.directory, '--flush-timeout', '60'])
    await untilLeft(machine, mount.directory)
    const startedAt = performance.now()
    expect((await mount.unmount()).code).toBe(75)
    expect(performance.now() - startedAt).toBeLessThan(SIGNAL_MS + AT_ONCE_MS)
    expect((await waiting.exited).code).toBe(75)
  })

  it('by a signal to `run` whose command has ended', async () => {
    const { machine, line } = await site.machineOnLine('run')
    const directory = join(machine.home, 'memory')
    await (await machine.mount()).unmount()
    const go = join(machine.home, 'go')
    const script = `echo ready; until [ -e '${go}' ]; do sleep 0.05; done; echo stays > stays.md; echo written`
    const running = machine.start(['run', '--dir', directory, '--', 'sh', '-c', script])
    await says(running, 'ready')
    await line.cut()
    await writeFile(go, '')
    await says(running, 'written')
    await untilLeft(machine, directory)
    const startedAt = performance.now()
    const done = await running.end('SIGTERM')
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS)
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/stays\.md/),
    })
    expect(await isMounted(directory)).toBe(false)
  })
})

describe('a mount in the background', () => {
  it('goes on where the command that started it was killed while it waited', async () => {
    const { machine, line, files } = await site.machineOnLine('orphan')
    await site.client.createAgent({ name: 'orphan' })
    const directory = join(machine.home, 'memory')
    line.silence()
    const starting = machine.start(['mount', directory, '--daemon'])
    await waitFor(() => line.connections > 0, { deadlineMs: 20_000, what: 'the mount to ask the service' })
    await starting.end('SIGKILL')
    await line.mend()
    try {
      await waitFor(async () => (await machine.status()).some(({ dir }) => dir === directory), {
        deadlineMs: 20_000,
        what: 'the mount to answer',
      })
      expect((await machine.run('sh', '-c', `echo here > ${directory}/here.md`)).code).toBe(0)
      const done = await machine.cli(['unmount', directory])
      expect([done.code, done.stderr]).toEqual([0, ''])
    } finally {
      await machine.run('umount', '-l', directory)
    }
    expect(await files.readText('here.md')).toBe('here\n')
  })
})
