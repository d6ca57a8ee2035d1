import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine, type Mount } from './harness/machine.js'
import { run } from './harness/process.js'
import { Service } from './harness/service.js'
import { settled } from './harness/settle.js'
import { TcpProxy } from './harness/tcp-proxy.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('full-disk'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

/** A machine whose state lies on a disk of its own, of this size. */
async function machineOnSmallDisk(
  agent: string,
  megabytes: number,
): Promise<{ machine: Machine; line: TcpProxy; resize: (megabytes: number) => Promise<void> }> {
  const home = join(directory.path, agent)
  const state = join(home, 'state')
  await mkdir(state, { recursive: true })
  await root('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', state)
  closing.push(() => root('umount', '-l', state))
  const line = await TcpProxy.start(service.port)
  closing.push(() => line.close())
  const environment = { XDG_STATE_HOME: state }
  const machine = new Machine({ home, service, token: key, agent, url: line.url, environment })
  closing.push(() => machine.close())
  return {
    machine,
    line,
    resize: (size) => root('mount', '-o', `remount,size=${size}m`, state),
  }
}

async function root(command: string, ...args: string[]): Promise<void> {
  const done = await run(command, args, { limitMs: 10_000 })
  if (done.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`)
}

/** Writes files of a known content until one fails; those that were written whole, and what the failure said. */
async function fill(mount: Mount, kilobytes: number): Promise<{ written: string[]; failure: string }> {
  const done = await mount.shell(
    `for i in $(seq -w 1 400); do
       head -c ${kilobytes * 1024} < <(yes "line of file $i") > "f$i.md" && echo "f$i.md" || exit 1
     done`,
    { limitMs: 60_000 },
  )
  expect(done.signal).toBeNull()
  return { written: done.stdout.split('\n').filter((name) => name !== ''), failure: done.stderr }
}

const contentOf = (name: string, kilobytes: number): string =>
  `line of file ${name.slice(1, -3)}\n`.repeat(kilobytes * 1024).slice(0, kilobytes * 1024)

// A small disk is a mount of its own, which only root can make; CI and containers are root.
const withSmallDisk = process.getuid?.() === 0 ? describe : describe.skip

withSmallDisk('[VIS-4] a disk that is full under the journal', () => {
  it.each([
    ['files of 4 KB', 4],
    ['files of 1 MB', 1024],
  ])(
    '%s: ENOSPC, nothing hangs, what was written is whole, and all goes on when there is space',
    async (_what, kilobytes) => {
      const agent = `full-${kilobytes}`
      const { machine, line, resize } = await machineOnSmallDisk(agent, kilobytes === 4 ? 4 : 16)
      const files = client.agent(agent).files
      const mount = await machine.mount()
      await mount.output('echo before > before.md && mkdir dir && echo old > dir/kept.md')
      await settled(machine)
      await line.cut()
      const { written, failure } = await fill(mount, kilobytes)
      expect(failure).toMatch(/No space left on device/)
      expect(written.length).toBeGreaterThan(0)
      // The mount is not hurt: reading works, and every operation answers at once.
      expect(await mount.output('cat before.md dir/kept.md', { limitMs: 5_000 })).toBe('before\nold\n')
      for (const name of [written[0], written.at(-1)]) {
        if (name === undefined) continue
        expect(await mount.output(`cat ${name}`, { limitMs: 5_000 })).toBe(contentOf(name, kilobytes))
      }
      const large = await mount.shell('head -c 3000000 /dev/zero > large.bin', { limitMs: 10_000 })
      expect(large.stderr).toMatch(/No space left on device/)
      expect((await machine.onlyStatus()).journaled).toBeGreaterThan(0)

      await resize(128)
      await mount.output('echo after > after.md', { limitMs: 10_000 })
      await line.mend()
      await settled(machine, 60_000)
      expect((await machine.onlyStatus()).rejected).toBe(0)
      for (const name of written) expect(await files.readText(name)).toBe(contentOf(name, kilobytes))
      expect(await files.readText('after.md')).toBe('after\n')
      // What failed is there as far as its writes returned, the same on both sides.
      const shown = await mount.output('ls | sort | xargs stat -c "%n %s" | grep -v ^dir')
      const stored = (await files.list('', { limit: 1_000 })).data
        .filter(({ kind }) => kind === 'file')
        .map(({ path, size }) => `${path} ${size}\n`)
        .sort()
        .join('')
      expect(shown.split('\n').sort().join('\n').trim()).toBe(stored.split('\n').sort().join('\n').trim())
      expect((await mount.unmount()).code).toBe(0)
    },
  )

  it('[DUR-4] kill -9 while it is full: the next mount says what is the matter, and with space all is there', async () => {
    const { machine, line, resize } = await machineOnSmallDisk('full-killed', 4)
    const mount = await machine.mount()
    await mount.output('echo before > before.md')
    await settled(machine)
    await line.cut()
    const { written } = await fill(mount, 4)
    await mount.kill()
    const full = await machine.startMount()
    const outcome = await Promise.race([
      full.running.exited,
      full.ready().then(
        () => 'mounted' as const,
        () => 'ended' as const,
      ),
    ])
    if (outcome !== 'mounted') {
      expect((await full.running.exited).stderr).toMatch(/full|No space left/i)
      await resize(128)
    }
    const again = outcome === 'mounted' ? full : await machine.mount()
    await resize(128)
    for (const name of written.slice(-3)) expect(await again.output(`cat ${name}`)).toBe(contentOf(name, 4))
    await line.mend()
    await settled(machine, 60_000)
    const files = client.agent('full-killed').files
    for (const name of written) expect(await files.readText(name)).toBe(contentOf(name, 4))
  })

  it('a disk that is full at the first mount: a clear message, exit 1, nothing mounted', async () => {
    const { machine } = await machineOnSmallDisk('full-first', 1)
    const state = join(machine.home, 'state')
    await run('sh', ['-c', `head -c 2000000 /dev/zero > '${state}/filler'`])
    const done = await machine.cli(['mount', join(machine.home, 'memory')], { limitMs: 30_000 })
    expect(done.code).toBe(1)
    expect(done.stderr).toMatch(/full|No space left/i)
    expect(done.stderr).not.toMatch(/\bat .*\.js:\d+/)
    expect((await run('mountpoint', ['-q', join(machine.home, 'memory')])).code).not.toBe(0)
  })

  it('reading files larger than the disk works: what does not fit is fetched and not kept', async () => {
    const { machine } = await machineOnSmallDisk('full-cache', 8)
    await client.createAgent({ name: 'full-cache' })
    const files = client.agent('full-cache').files
    const content = Buffer.alloc(24 * 1_048_576, 'abcdefgh')
    await files.write('large.bin', content)
    const mount = await machine.mount()
    await settled(machine)
    expect(
      await mount.output('cmp <(yes abcdefgh | tr -d "\\n" | head -c 25165824) large.bin && echo same', {
        limitMs: 60_000,
      }),
    ).toBe('same\n')
  })
})
