import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'
import { innerStatus, settled, shows, unhealthy } from './harness/settle.js'
import { TcpProxy } from './harness/tcp-proxy.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('offline'))
})

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

/** A machine of its own behind a line of its own. */
async function machineOnLine(
  agent: string,
  home = agent,
): Promise<{ machine: Machine; line: TcpProxy; files: ReturnType<AgentfsClient['agent']>['files'] }> {
  const line = await TcpProxy.start(service.port)
  const machine = new Machine({
    home: join(directory.path, home),
    service,
    token: key,
    agent,
    url: line.url,
  })
  closing.push(
    () => line.close(),
    () => machine.close(),
    () => line.mend(),
  )
  return { machine, line, files: client.agent(agent).files }
}

describe('a service that cannot be reached', () => {
  it('[VIS-4] reads of cached files and all writes go on, and the journal is pushed when it is back', async () => {
    const { machine, line, files } = await machineOnLine('journal')
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
    const { machine, line, files } = await machineOnLine('meanwhile')
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

  it('[DUR-8] SIGTERM while offline exits 75 and names what stays; the next mount pushes it', async () => {
    const { machine, line, files } = await machineOnLine('left')
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
    const { machine, line } = await machineOnLine('unmounted')
    const mount = await machine.mount()
    await settled(machine)
    await line.cut()
    await mount.output('echo stays > stays.md')
    const done = await machine.cli(['unmount', mount.directory, '--flush-timeout', '1'], { limitMs: 15_000 })
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 75,
      stderr: expect.stringMatching(/stays\.md/),
    })
    expect((await mount.running.exited).code).toBe(75)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(3)
  })

  it('a known store mounts offline, serves what is cached and keeps what is written', async () => {
    const { machine, line, files } = await machineOnLine('known')
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
    const { machine, line, files } = await machineOnLine('known-killed')
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
      const { machine, line } = await machineOnLine('unknown', `unknown-${how.slice(0, 5)}`)
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
    const { machine, line, files } = await machineOnLine('known-silent')
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
    const { machine, line, files } = await machineOnLine('uncached')
    await files.write('large.bin', new Uint8Array(3 * 1_048_576).fill(7)).catch(async () => {
      await client.createAgent({ name: 'uncached' })
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
    const one = await machineOnLine(agent, 'conflict-one')
    const two = await machineOnLine(agent, 'conflict-two')
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
    const one = await machineOnLine(agent, 'appends-one')
    const two = await machineOnLine(agent, 'appends-two')
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
    const one = await machineOnLine(agent, 'commute-one')
    const two = await machineOnLine(agent, 'commute-two')
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

describe('[VIS-4] a connection that looks open and is not', () => {
  it('staleness ends within 5 s: what REST wrote is shown, though nobody closed the connection', async () => {
    const { machine, line, files } = await machineOnLine('half-open')
    const mount = await machine.mount()
    await mount.output('echo old > notes.md')
    await settled(machine)
    // Held open and cached by the kernel: the worst case for staleness.
    await mount.output('cat notes.md > /dev/null; ls -la > /dev/null')
    line.freezeConnections()
    await files.write('notes.md', 'new\n')
    await files.write('created.md', 'created\n')
    const tookMs = await shows(mount, 'cat notes.md created.md', 'new\ncreated\n', 15_000)
    expect(tookMs).toBeLessThan(5_000)
    await settled(machine, 5_000)
  })

  it('what is written meanwhile reaches the service as soon as the mount has a connection again', async () => {
    const { machine, line, files } = await machineOnLine('half-open-writer')
    const mount = await machine.mount()
    await mount.output('echo old > notes.md')
    await settled(machine)
    line.freezeConnections()
    const startedAt = performance.now()
    await mount.output('echo written > notes.md')
    await waitFor(async () => (await files.readText('notes.md')) === 'written\n', {
      deadlineMs: 60_000,
      pollMs: 50,
      what: 'the service to have what was written',
    })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it('where nothing gets through, status says so within 5 s, reads and writes go on, and all is well afterwards', async () => {
    const { machine, line, files } = await machineOnLine('silent')
    const mount = await machine.mount()
    await mount.output('echo old > notes.md && cat notes.md')
    await settled(machine)
    line.silence()
    expect(await unhealthy(machine, 10_000)).toBeLessThan(5_000)
    expect(await mount.output('cat notes.md; echo mine > mine.md; ls', { limitMs: 3_000 })).toBe(
      'old\nmine.md\nnotes.md\n',
    )
    await files.write('notes.md', 'new\n')
    await line.mend()
    expect(await shows(mount, 'cat notes.md', 'new\n', 60_000)).toBeLessThan(10_000)
    await settled(machine)
    expect(await files.readText('mine.md')).toBe('mine\n')
  })
})

describe('[VIS-2] what a reader has seen is never taken back', () => {
  const WRITES = 150
  // Every page of the file names its version, so that one read shows every version that it is made of.
  const PAGES = 3

  const WRITE_VERSION = `
    const fs = require("node:fs")
    const write = (n) => {
      const page = Buffer.alloc(4096, String(n).padStart(8, "0"))
      fs.writeFileSync("numbered.md", Buffer.concat(Array(${PAGES}).fill(page)))
    };`
  const READ_VERSIONS = (last: number): string => `
    const fs = require("node:fs")
    const held = fs.openSync("numbered.md", "r")
    const faults = [], versions = new Set()
    let newest = 0, reads = 0
    const look = (how, fd) => {
      const at = newest
      const bytes = Buffer.alloc(4096 * ${PAGES})
      const size = fs.readSync(fd, bytes, 0, bytes.length, 0)
      reads++
      // A writer that truncates first may be seen halfway: what is there must still not be older.
      for (let page = 0; page * 4096 + 8 <= size; page++) {
        const version = Number(bytes.toString("latin1", page * 4096, page * 4096 + 8))
        if (!(version >= at)) faults.push(how + " page " + page + ": " + version + " after " + at)
        if (version > newest) newest = version
        versions.add(version)
      }
    }
    const endsAt = Date.now() + 40000
    const turn = () => {
      look("held", held)
      const fresh = fs.openSync("numbered.md", "r")
      look("opened anew", fresh)
      fs.closeSync(fresh)
      look("held again", held)
      if (newest >= ${last} || faults.length > 20 || Date.now() > endsAt) {
        process.stdout.write(JSON.stringify({ versions: versions.size, reads, faults, newest }))
        process.exit(newest >= ${last} ? 0 : 1)
      }
      setTimeout(turn, 1)
    }
    turn()`

  it('a reader that holds the file open, opens it anew, and stats it sees versions in order only', async () => {
    const { machine: writer } = await machineOnLine('order', 'order-writer')
    const { machine: reader } = await machineOnLine('order', 'order-reader')
    const here = await writer.mount()
    await here.output(`node -e '${WRITE_VERSION} write(0)'`)
    await settled(writer)
    const there = await reader.mount()
    await shows(there, 'head -c 8 numbered.md', '00000000')
    const reading = there.shell(`node -e '${READ_VERSIONS(WRITES - 1)}'`, { limitMs: 60_000 })
    await here.output(
      `node -e '${WRITE_VERSION} let n = 0; const next = () => { write(++n); if (n < ${WRITES - 1}) setTimeout(next, 15) }; next()'`,
      { limitMs: 60_000 },
    )
    const { code, stdout, stderr } = await reading
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const seen = JSON.parse(stdout) as { versions: number; reads: number; faults: string[] }
    expect(seen.faults).toEqual([])
    // The reader must have been there while it happened: otherwise this proves nothing.
    expect(seen.versions).toBeGreaterThan(WRITES / 10)
  })

  it('[VIS-2] after REST has acknowledged and the feed delivered, the held handle reads the new bytes of another size', async () => {
    const { machine, files } = await machineOnLine('sizes')
    const mount = await machine.mount()
    await mount.output('echo start > notes.md')
    await settled(machine)
    for (const size of [100_000, 10, 50_000, 0, 3]) {
      const content = 'x'.repeat(size)
      await files.write('notes.md', content)
      await shows(mount, 'stat -c %s notes.md; cat notes.md | wc -c', `${size}\n${size}\n`)
      expect(await mount.output('md5sum < notes.md; md5sum < <(head -c 200000 notes.md)')).toMatch(
        /^(\w+) {2}-\n\1 {2}-\n$/,
      )
    }
  })
})
