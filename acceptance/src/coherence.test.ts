import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { waitFor } from '@agentfs/testkit'
import { settled, shows, unhealthy } from './harness/settle.js'
import { Site } from './harness/site.js'

let site: Site

beforeAll(async () => {
  site = await Site.start('coherence')
})

afterEach(() => site.tidy())

afterAll(() => site?.stop())

describe('[VIS-4] a connection that looks open and is not', () => {
  it('staleness ends within 5 s: what REST wrote is shown, though nobody closed the connection', async () => {
    const { machine, line, files } = await site.machineOnLine('half-open')
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
    const { machine, line, files } = await site.machineOnLine('half-open-writer')
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
    const { machine, line, files } = await site.machineOnLine('silent')
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

  it('a reader that holds the file open, and opens it anew, sees versions in order only', async () => {
    const { machine: writer } = await site.machineOnLine('order', 'order-writer')
    const { machine: reader } = await site.machineOnLine('order', 'order-reader')
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
    const { machine, files } = await site.machineOnLine('sizes')
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
