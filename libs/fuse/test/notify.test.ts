import { afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buildOnce } from './build.js'
import { Mounted, until } from './mounted.js'

// The server is another process, so this one may use the mount; it does so asynchronously only.

const A_DAY_MS = 86_400_000
const FOR_EVER = { entryValidMs: A_DAY_MS, attrValidMs: A_DAY_MS, keepCache: true }

describe('telling the kernel to forget', () => {
  let mounted: Mounted
  beforeAll(buildOnce)
  afterEach(() => mounted.stop())

  const counts = async (operation: string): Promise<number> =>
    (await mounted.command({ kind: 'counts' })).counts[operation] ?? 0
  const text = (name: string): Promise<string> => readFile(join(mounted.dir, name), 'utf8')

  it('INVAL_INODE drops the page cache for an open file', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo old > $M/a')
    const file = await open(join(mounted.dir, 'a'), 'r')
    const read = async (): Promise<string> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0)
      return buffer.toString('utf8', 0, bytesRead)
    }
    expect(await read()).toBe('old\n')
    await mounted.command({ kind: 'write', path: 'a', data: 'new, longer\n' })
    expect(await read()).toBe('old\n')
    const { refused } = await mounted.command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
    expect(refused).toEqual([])
    expect(await read()).toBe('new, longer\n')
    await file.close()
  })

  it('INVAL_INODE with a negative offset drops attributes and keeps pages', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo same > $M/a')
    expect(await text('a')).toBe('same\n')
    const reads = await counts('read')
    await stat(join(mounted.dir, 'a'))
    const before = await counts('getattr')
    await mounted.command({ kind: 'inval-inode', path: 'a', offset: -1, length: 0 })
    await stat(join(mounted.dir, 'a'))
    expect(await counts('getattr')).toBe(before + 1)
    expect(await text('a')).toBe('same\n')
    expect(await counts('read')).toBe(reads)
  })

  it('KEEP_CACHE with long lifetimes: a warm open, read and stat ask for nothing but OPEN', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo warm > $M/a')
    // A READ makes the kernel forget the access time, so the first stat after it asks once more.
    await text('a')
    await text('a')
    // RELEASE follows a close whenever it likes.
    const settled = async (): Promise<boolean> =>
      (await counts('open')) + (await counts('create')) === (await counts('release'))
    await until(settled)
    const before = (await mounted.command({ kind: 'counts' })).counts
    expect(await text('a')).toBe('warm\n')
    await stat(join(mounted.dir, 'a'))
    await until(settled)
    const after = (await mounted.command({ kind: 'counts' })).counts
    const asked = Object.keys(after).filter((name) => after[name] !== before[name])
    expect(asked.sort()).toEqual(['open', 'release'])
  })

  it.each([
    { name: 'INVAL_ENTRY', notify: { kind: 'inval-entry', name: 'a', expireOnly: false } as const },
    {
      name: 'INVAL_ENTRY, expiring only',
      notify: { kind: 'inval-entry', name: 'a', expireOnly: true } as const,
    },
    { name: 'INC_EPOCH', notify: { kind: 'inc-epoch' } as const },
  ])('$name drops the dentry: the name leads to the new node', async ({ notify }) => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo 1 > $M/a; echo 2 > $M/b')
    expect(await text('a')).toBe('1\n')
    await mounted.command({ kind: 'swap', names: ['a', 'b'] })
    expect(await text('a')).toBe('1\n')
    const { refused } = await mounted.command(notify)
    expect(refused).toEqual([])
    expect(await text('a')).toBe('2\n')
  })

  it('INVAL_ENTRY forgets a cached negative name', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo 1 > $M/a; cat $M/link 2>/dev/null; ln -s a $M/link')
    expect(await readlink(join(mounted.dir, 'link'))).toBe('a')
    await expect(stat(join(mounted.dir, 'zz'))).rejects.toThrow('ENOENT')
    const lookups = await counts('lookup')
    await expect(stat(join(mounted.dir, 'zz'))).rejects.toThrow('ENOENT')
    expect(await counts('lookup')).toBe(lookups)
    await mounted.command({ kind: 'inval-entry', name: 'zz', expireOnly: false })
    await expect(stat(join(mounted.dir, 'zz'))).rejects.toThrow('ENOENT')
    expect(await counts('lookup')).toBe(lookups + 1)
  })

  it('what the kernel does not know counts as forgotten', async () => {
    mounted = await Mounted.start(FOR_EVER)
    const { refused } = await mounted.command({
      kind: 'inval-entry',
      name: 'never\xffseen',
      expireOnly: false,
    })
    expect(refused).toEqual([])
  })

  it('STORE puts bytes into the page cache', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo ..... > $M/a')
    await text('a')
    const { refused } = await mounted.command({ kind: 'store', path: 'a', offset: 0, data: 'push' })
    expect(refused).toEqual([])
    expect(await text('a')).toBe('push.\n')
  })

  it('DELETE removes the name', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo 1 > $M/a')
    const { refused } = await mounted.command({ kind: 'delete', name: 'a' })
    expect(refused).toEqual([])
  })

  it('an invalidation waits for reads in flight in its own thread, and nothing else does', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('echo held > $M/a; echo free > $M/b')
    await mounted.command({ kind: 'hold', operation: 'read' })
    await mounted.command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
    const reading = text('a')
    await until(async () => (await mounted.command({ kind: 'counts' })).held === 1)
    let forgotten = false
    const invalidation = mounted
      .command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
      .then(() => (forgotten = true))
    // The session goes on serving meanwhile: names, attributes, writes.
    expect((await mounted.sh('echo more > $M/c; stat -c %s $M/c; ls $M')).stdout).toBe('5\na\nb\nc\n')
    expect(forgotten).toBe(false)
    await mounted.command({ kind: 'release', operation: 'read' })
    expect(await reading).toBe('held\n')
    await invalidation
    expect(forgotten).toBe(true)
  })

  it('invalidating while readers run never hangs', async () => {
    mounted = await Mounted.start(FOR_EVER)
    await mounted.sh('head -c 3000000 /dev/zero > $M/a')
    const readers = mounted.sh('for i in $(seq 60); do cat $M/a | wc -c; done | sort | uniq -c')
    for (let round = 0; round < 300; round += 1) {
      await mounted.command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
    }
    expect((await readers).stdout.trim()).toBe('60 3000000')
  })
})

describe('the notifier thread', () => {
  beforeAll(buildOnce)

  it('may be ended at any moment of its start: a native library that is being loaded takes no process with it', async () => {
    const notifier = new URL('../dist/notifier.js', import.meta.url).href
    const script = `
      const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      import(${JSON.stringify(notifier)}).then(async ({ Notifier }) => {
        for (let round = 0; round < 120; round += 1) {
          const started = new Notifier(0)
          await pause(round)
          await started.close()
        }
      })`
    const child = execFile(process.execPath, ['-e', script], { cwd: '/' })
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    expect({ code, signal }).toEqual({ code: 0, signal: null })
  })
})
