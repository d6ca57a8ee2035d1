import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import { waitFor } from '@agentfs/testkit'
import { run } from './harness/process.js'
import { innerStatus, settled, shows, unhealthy } from './harness/settle.js'
import { Site } from './harness/site.js'

let site: Site

beforeAll(async () => {
  site = await Site.start('offline')
})

afterEach(() => site.tidy())

afterAll(() => site?.stop())

describe('a service that cannot be reached', () => {
  it('[VIS-4] reads of cached files and all writes go on, and the journal is pushed when it is back', async () => {
    const { machine, line, files } = await site.machineOnLine('journal')
    const mount = await machine.mount()
    await mount.output('mkdir -p notes && echo "cached" > notes/a.md && echo "gone" > notes/b.md')
    await settled(machine)
    await line.cut()
    expect(await unhealthy(machine, 5_000)).toBeLessThan(5_000)
    expect(await mount.output('cat notes/a.md', { limitMs: 5_000 })).toBe('cached\n')
    await mount.output(
      'echo "offline" > notes/c.md && echo "more" >> notes/a.md && mv notes/b.md notes/d.md && mkdir deep && echo x > deep/e.md',
      { limitMs: 10_000 },
    )
    expect(await mount.output('cat notes/a.md notes/c.md notes/d.md; ls notes')).toBe(
      'cached\nmore\noffline\ngone\na.md\nc.md\nd.md\n',
    )
    expect((await machine.onlyStatus()).journaled).toBeGreaterThan(0)
    expect(await files.readText('notes/a.md')).toBe('cached\n')

    await line.mend()
    await settled(machine)
    expect(await files.readText('notes/a.md')).toBe('cached\nmore\n')
    expect(await files.readText('notes/c.md')).toBe('offline\n')
    expect(await files.readText('notes/d.md')).toBe('gone\n')
    expect(await files.readText('deep/e.md')).toBe('x\n')
    expect((await innerStatus(mount)).rejected).toBe(0)
  })

  it('[VIS-5] on reconnect the mount shows what happened meanwhile, its own changes on top', async () => {
    const { machine, line, files } = await site.machineOnLine('meanwhile')
    const mount = await machine.mount()
    await mount.output('echo one > one.md && echo two > two.md && cat one.md two.md')
    await settled(machine)
    await line.cut()
    await unhealthy(machine, 5_000)
    await files.write('one.md', 'one of REST\n')
    await files.write('three.md', 'three of REST\n')
    await files.remove('two.md')
    await mount.output('echo mine > mine.md')
    await line.mend()
    await shows(
      mount,
      'ls; cat one.md three.md',
      'mine.md\none.md\nthree.md\none of REST\nthree of REST\n',
      10_000,
    )
    await settled(machine)
    expect(await files.readText('mine.md')).toBe('mine\n')
  })

  it('[CON-2] what was appended elsewhere meanwhile outlives an append and an edit made here on top of it', async () => {
    const { machine, line, files } = await site.machineOnLine('appended')
    const mount = await machine.mount()
    await mount.output('echo base > log.md && cat log.md')
    await settled(machine)
    await line.cut()
    await unhealthy(machine, 5_000)
    await files.append('log.md', 'theirs\n')
    await mount.output('echo ours >> log.md && printf BASE | dd of=log.md conv=notrunc status=none')
    expect(await mount.output('cat log.md')).toBe('BASE\nours\n')
    await line.mend()
    await settled(machine)
    expect(await files.readText('log.md')).toBe('base\ntheirs\nours\n')
    await shows(mount, 'cat log.md', 'base\ntheirs\nours\n', 10_000)
    expect(await mount.output('ls; cat log.conflict-*')).toMatch(/^log\.conflict-\S+\nlog\.md\nBASE\nours\n$/)
  })

  it('[DUR-8] SIGTERM while offline exits 75 and names what stays; the next mount pushes it', async () => {
    const { machine, line, files } = await site.machineOnLine('left')
    const mount = await machine.mount()
    await mount.output('echo before > before.md')
    await settled(machine)
    await line.cut()
    await mount.output('echo stays > stays.md')
    const startedAt = performance.now()
    const done = await mount.unmount()
    expect(done.code).toBe(75)
    expect(done.stderr).toMatch(/stays\.md/)
    expect(performance.now() - startedAt).toBeLessThan(10_000)

    await line.mend()
    const again = await machine.mount()
    expect(await again.output('cat stays.md')).toBe('stays\n')
    await settled(machine)
    expect(await files.readText('stays.md')).toBe('stays\n')
  })

  it('[DUR-8] `unmount` while offline exits 75 within its limit and names what stays', async () => {
    const { machine, line } = await site.machineOnLine('unmounted')
    const mount = await machine.mount()
    await settled(machine)
    await line.cut()
    await mount.output('echo stays > stays.md')
    const synced = await machine.cli(['sync', mount.directory, '--timeout', '1'], { limitMs: 15_000 })
    expect({ code: synced.code, stderr: synced.stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/stays\.md/),
    })
    const done = await machine.cli(['unmount', mount.directory, '--flush-timeout', '1'], { limitMs: 15_000 })
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/stays\.md/),
    })
    expect((await mount.running.exited).code).toBe(75)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(3)
  })

  it('[DUR-1] the service is killed under a mount: writes go on, and all is there once it is back', async () => {
    const { machine, files } = await site.machineOnLine('killed-service')
    const mount = await machine.mount()
    await mount.output('echo 0 > log.md')
    await settled(machine)
    const writing = mount.shell(
      'for i in $(seq 1 150); do echo $i >> log.md; echo $i > f$i.md; sleep 0.02; done',
    )
    await waitFor(async () => (await files.list('', { glob: 'f2*.md' })).data.length > 0, {
      deadlineMs: 20_000,
      what: 'some of it to be pushed',
    })
    await site.service.stop('SIGKILL')
    await site.service.start()
    expect((await writing).code).toBe(0)
    await settled(machine)
    const numbers = Array.from({ length: 151 }, (_, i) => `${i}\n`)
    expect(await files.readText('log.md')).toBe(numbers.join(''))
    for (const i of [1, 75, 150]) expect(await files.readText(`f${i}.md`)).toBe(`${i}\n`)
    expect((await innerStatus(mount)).rejected).toBe(0)
  })

  it('[SY-8] a store that was copied sends nothing twice, and both go on', async () => {
    const line = await site.line()
    const one = site.machine('copied', 'copied-one', line.url)
    const two = site.machine('copied', 'copied-two', line.url)
    const first = await one.mount()
    await first.output('echo base > log.md')
    await settled(one)
    await line.cut()
    await first.output('echo once >> log.md')
    await first.kill()
    await run('cp', ['-a', one.home, two.home])
    await run('umount', ['-l', first.directory])
    await line.mend()
    const here = await one.mount()
    await settled(one)
    const there = await two.mount('elsewhere')
    await settled(two)
    await there.output('echo "of the copy" >> log.md')
    await settled(two)
    await here.output('echo "of the first" >> log.md')
    await settled(one)
    const text = 'base\nonce\nof the copy\nof the first\n'
    expect(await site.client.agent('copied').files.readText('log.md')).toBe(text)
    for (const mount of [here, there]) await shows(mount, 'cat log.md', text)
    expect((await site.client.agent('copied').files.list()).data).toHaveLength(1)
    for (const mount of [here, there]) expect((await innerStatus(mount)).rejected).toBe(0)
  })

  it('a known store mounts offline, serves what is cached and keeps what is written', async () => {
    const { machine, line, files } = await site.machineOnLine('known')
    const first = await machine.mount()
    await first.output('echo known > known.md')
    await settled(machine)
    expect((await first.unmount()).code).toBe(0)
    await line.cut()
    const startedAt = performance.now()
    const mount = await machine.mount()
    expect(performance.now() - startedAt).toBeLessThan(15_000)
    expect(await mount.output('cat known.md; echo offline > offline.md; cat offline.md')).toBe(
      'known\noffline\n',
    )
    expect((await machine.onlyStatus()).feed).not.toBe('connected')
    await line.mend()
    await settled(machine)
    expect(await files.readText('offline.md')).toBe('offline\n')
  })

  it('a known store mounts offline by kill -9 too, with what was journaled', async () => {
    const { machine, line, files } = await site.machineOnLine('known-killed')
    const first = await machine.mount()
    await settled(machine)
    await line.cut()
    await first.output('echo journaled > journaled.md')
    await first.kill()
    const mount = await machine.mount()
    expect(await mount.output('cat journaled.md')).toBe('journaled\n')
    await line.mend()
    await settled(machine)
    expect(await files.readText('journaled.md')).toBe('journaled\n')
  })

  it.each(['refuses connections', 'takes connections and never answers'])(
    'an unknown store exits 69 within 10 s where the service %s',
    async (how) => {
      const { machine, line } = await site.machineOnLine('unknown', `unknown-${how.slice(0, 5)}`)
      if (how.startsWith('refuses')) await line.cut()
      else line.silence()
      const startedAt = performance.now()
      const done = await machine.cli(['mount', join(machine.home, 'memory')], { limitMs: 45_000 })
      const tookMs = performance.now() - startedAt
      expect({ code: done.code, signal: done.signal }).toEqual({ code: 69, signal: null })
      expect(done.stderr).toMatch(new RegExp(line.url))
      expect(tookMs).toBeLessThan(11_000)
    },
  )

  it('a known store mounts within 15 s where the service takes connections and never answers', async () => {
    const { machine, line, files } = await site.machineOnLine('known-silent')
    const first = await machine.mount()
    await first.output('echo known > known.md')
    await settled(machine)
    await first.unmount()
    line.silence()
    const startedAt = performance.now()
    const mount = await machine.mount()
    expect(performance.now() - startedAt).toBeLessThan(15_000)
    expect(await mount.output('cat known.md; echo more >> known.md')).toBe('known\n')
    await line.mend()
    await settled(machine)
    expect(await files.readText('known.md')).toBe('known\nmore\n')
  })

  it('[FS-4] what is not cached fails within its limit, and Ctrl-C ends the wait at once', async () => {
    const { machine, line, files } = await site.machineOnLine('uncached')
    await files.write('large.bin', new Uint8Array(3 * 1_048_576).fill(7)).catch(async () => {
      await site.client.createAgent({ name: 'uncached' })
      await files.write('large.bin', new Uint8Array(3 * 1_048_576).fill(7))
    })
    const mount = await machine.mount()
    await settled(machine)
    await line.cut()
    const startedAt = performance.now()
    const interrupted = await mount.shell('timeout -s INT 1 cat large.bin > /dev/null', { limitMs: 20_000 })
    expect(interrupted.code).not.toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    const failed = await mount.shell('cat large.bin > /dev/null', { limitMs: 30_000 })
    expect(failed.signal).toBeNull()
    expect(failed.stderr).toMatch(/Input\/output error/)
    await line.mend()
    await settled(machine)
    await waitFor(
      async () => (await mount.shell('cat large.bin | wc -c')).stdout.trim() === String(3 * 1_048_576),
      {
        deadlineMs: 10_000,
        what: 'the file to be readable again',
      },
    )
  })
})

describe('[CON-3] two mounts edit one file offline', () => {
  it('both texts exist afterwards, the later one as a conflict copy, on both mounts and at the service', async () => {
    const agent = 'conflict'
    const one = await site.machineOnLine(agent, 'conflict-one')
    const two = await site.machineOnLine(agent, 'conflict-two')
    const here = await one.machine.mount()
    await here.output('echo base > notes.md')
    await settled(one.machine)
    const there = await two.machine.mount()
    await shows(there, 'cat notes.md', 'base\n')
    await one.line.cut()
    await two.line.cut()
    await here.output('echo "the text of one" > notes.md')
    await there.output('echo "the text of two" > notes.md')
    await one.line.mend()
    await settled(one.machine)
    await two.line.mend()
    await settled(two.machine)

    const listing = (await one.files.list()).data.map(({ path }) => path).sort()
    expect(listing).toHaveLength(2)
    const copy = listing.find((path) => path !== 'notes.md') ?? ''
    expect(copy).toMatch(/^notes\.conflict-conflict-\d+\.md$/)
    expect(await one.files.readText('notes.md')).toBe('the text of one\n')
    expect(await one.files.readText(copy)).toBe('the text of two\n')
    for (const mount of [here, there]) {
      await shows(mount, 'cat notes.md', 'the text of one\n')
      await shows(mount, `cat ${copy}`, 'the text of two\n')
      expect(await mount.output('ls')).toBe(listing.map((name) => `${name}\n`).join(''))
    }
  })

  it('[CON-2] appends of both sides are all there, each once, without a copy', async () => {
    const agent = 'appends'
    const one = await site.machineOnLine(agent, 'appends-one')
    const two = await site.machineOnLine(agent, 'appends-two')
    const here = await one.machine.mount()
    await here.output('echo base > log.jsonl')
    await settled(one.machine)
    const there = await two.machine.mount()
    await shows(there, 'cat log.jsonl', 'base\n')
    await one.line.cut()
    await two.line.cut()
    await here.output('for i in 1 2 3; do echo "one $i" >> log.jsonl; done')
    await there.output('for i in 1 2 3; do echo "two $i" >> log.jsonl; done')
    await one.line.mend()
    await settled(one.machine)
    await two.line.mend()
    await settled(two.machine)
    const text = 'base\none 1\none 2\none 3\ntwo 1\ntwo 2\ntwo 3\n'
    expect(await one.files.readText('log.jsonl')).toBe(text)
    expect((await one.files.list()).data).toHaveLength(1)
    for (const mount of [here, there]) await shows(mount, 'cat log.jsonl', text)
  })

  it('[CON-5] an edit on one side and a rename on the other commute; a directory made on both is one', async () => {
    const agent = 'commute'
    const one = await site.machineOnLine(agent, 'commute-one')
    const two = await site.machineOnLine(agent, 'commute-two')
    const here = await one.machine.mount()
    await here.output('echo base > notes.md')
    await settled(one.machine)
    const there = await two.machine.mount()
    await shows(there, 'cat notes.md', 'base\n')
    await one.line.cut()
    await two.line.cut()
    await here.output('mv notes.md renamed.md && mkdir both && echo 1 > both/one.md')
    await there.output('echo edited > notes.md && mkdir both && echo 2 > both/two.md')
    await one.line.mend()
    await settled(one.machine)
    await two.line.mend()
    await settled(two.machine)
    for (const mount of [here, there]) {
      await shows(mount, 'cat renamed.md both/*; ls', 'edited\n1\n2\nboth\nrenamed.md\n')
    }
    const listed = (await one.files.list('', { depth: 2 })).data.map(({ path }) => path)
    expect(listed.sort()).toEqual(['both', 'both/one.md', 'both/two.md', 'renamed.md'])
  })
})
