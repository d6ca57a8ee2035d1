import { afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, readFile, rm, rmdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cleanUpDeadMount, mountState, processIsGone } from '../src/index.js'
import { buildOnce } from './build.js'
import { Mounted, until } from './mounted.js'

const isRoot = process.getuid?.() === 0
const A_DAY_MS = 86_400_000
const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']

/**
 * A namespace of its own where `/dev/fuse` is open to everybody, as udev makes it: containers often have it
 * for root only, and it is not ours to change. "$@" is what to run there.
 */
const WITH_PUBLIC_DEVICE = [
  'unshare',
  '--mount',
  'bash',
  '-ec',
  'mount -t tmpfs none /mnt; mknod -m 666 /mnt/fuse c 10 229; mount --bind /mnt/fuse /dev/fuse; exec "$@"',
  'bash',
]

describe('when something goes wrong', () => {
  let mounted: Mounted
  beforeAll(buildOnce)
  afterEach(() => mounted.stop())

  const heldRequests = async (): Promise<number> => (await mounted.command({ kind: 'counts' })).held

  it('[FS-4] a handler that throws answers EIO, is logged, and the mount lives on', async () => {
    mounted = await Mounted.start()
    await mounted.command({ kind: 'fail', operation: 'mkdir' })
    expect((await mounted.sh('mkdir $M/d')).stderr).toMatch('Input/output error')
    expect((await mounted.sh('echo x > $M/a; cat $M/a')).stdout).toBe('x\n')
    const { logged } = await mounted.command({ kind: 'counts' })
    expect(logged).toEqual(['a handler failed: Error: mkdir was told to fail'])
  })

  it('an operation without a handler is ENOSYS, which a caller sees as not supported', async () => {
    mounted = await Mounted.start({ without: ['statx', 'symlink', 'setxattr', 'copyFileRange'] })
    expect((await mounted.sh('ln -s a $M/s')).stderr).toMatch('Function not implemented')
    expect((await mounted.sh('echo x > $M/a; cp $M/a $M/b; cat $M/b')).stdout).toBe('x\n')
    const script = `import os,sys,errno
try: os.setxattr(sys.argv[1]+'/a','user.x',b'1')
except OSError as e: print(errno.errorcode[e.errno])`
    expect((await mounted.python(script)).stdout.trim()).toMatch(/^(ENOTSUP|EOPNOTSUPP)$/)
  })

  it('OPEN, OPENDIR and FLUSH that answer ENOSYS are never asked again, and files work', async () => {
    mounted = await Mounted.start({ without: ['statx', 'open', 'opendir', 'flush', 'release', 'releasedir'] })
    const script = 'echo 1 > $M/a; cat $M/a; cat $M/a; echo 2 >> $M/a; cat $M/a; cat $M/a | wc -l'
    expect((await mounted.sh(script)).stdout).toBe('1\n1\n1\n2\n2\n')
  })

  it('STATX, where it is implemented, gives the birth time', async () => {
    mounted = await Mounted.start({ without: [] })
    expect((await mounted.sh('echo abc > $M/a; stat -c "%W %s %F %h" $M/a')).stdout).toBe(
      '981173106 4 regular file 1\n',
    )
  })

  // The kernel reads ahead into the page cache without a caller to interrupt, as on any local disk: there
  // only a fatal signal ends the wait (the next test). Everything else is interrupted by any signal.
  it('[FS-4] an interrupted read returns EINTR', async () => {
    mounted = await Mounted.start({ directIo: true })
    await mounted.sh('echo held > $M/a')
    await mounted.command({ kind: 'hold', operation: 'read' })
    const script = `
import os,signal,sys,errno
signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
f=os.open(sys.argv[1]+'/a',os.O_RDONLY)
print('reading',flush=True)
try: os.read(f,5)
except KeyboardInterrupt: print('interrupted')`
    const reader = spawn('python3', ['-c', script, mounted.dir], { cwd: '/' })
    let output = ''
    reader.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await until(async () => (await heldRequests()) === 1)
    reader.kill('SIGUSR1')
    await once(reader, 'exit')
    expect(output).toBe('reading\ninterrupted\n')
    expect(await heldRequests()).toBe(0)
    // Answering the reply that was kept comes too late, and does no harm.
    await mounted.command({ kind: 'release', operation: 'read' })
    expect((await mounted.sh('cat $M/a')).stdout).toBe('held\n')
  })

  it('[FS-4] a reader of a request that is never answered can be killed', async () => {
    mounted = await Mounted.start()
    await mounted.sh('echo held > $M/a')
    await mounted.command({ kind: 'hold', operation: 'read' })
    const reader = spawn('cat', [join(mounted.dir, 'a')], { cwd: '/' })
    await until(async () => (await heldRequests()) === 1)
    reader.kill('SIGKILL')
    expect((await once(reader, 'exit'))[1]).toBe('SIGKILL')
  })

  it('an interrupt callback replaces EINTR: the operation completes', async () => {
    mounted = await Mounted.start()
    await mounted.command({ kind: 'hold-uninterruptible', operation: 'mkdir' })
    const maker = spawn('mkdir', [join(mounted.dir, 'd')], { cwd: '/' })
    const exited = once(maker, 'exit')
    await until(async () => (await heldRequests()) === 1)
    maker.kill('SIGTERM')
    await until(async () => ((await mounted.command({ kind: 'counts' })).counts['interrupted'] ?? 0) === 1)
    expect(await heldRequests()).toBe(1)
    await mounted.command({ kind: 'release', operation: 'mkdir' })
    await exited
    expect((await mounted.sh('ls $M')).stdout).toBe('d\n')
  })

  it('[FS-4] requests that wait do not hold up others', async () => {
    mounted = await Mounted.start()
    await mounted.sh('echo a > $M/a; echo b > $M/b')
    await mounted.command({ kind: 'hold', operation: 'read' })
    const readers = [mounted.sh('cat $M/a'), mounted.sh('cat $M/b')]
    await until(async () => (await heldRequests()) === 2)
    expect((await mounted.sh('echo c > $M/c; stat -c %s $M/c')).stdout).toBe('2\n')
    await mounted.command({ kind: 'release', operation: 'read' })
    expect((await Promise.all(readers)).map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n'])
  })

  it('[FS-4] a dead daemon leaves ENOTCONN, and the next mount cleans up', async () => {
    const dead = await Mounted.start()
    await dead.sh('echo lost > $M/a')
    expect(await mountState(dead.dir)).toMatchObject({ kind: 'live' })
    const exited = once(dead.server, 'exit')
    dead.server.kill('SIGKILL')
    await exited
    expect((await dead.sh('stat $M')).stderr).toMatch('Transport endpoint is not connected')
    expect(await mountState(dead.dir)).toMatchObject({ kind: 'dead', mount: { type: 'fuse.agentfs' } })
    mounted = await Mounted.start({ dir: dead.dir })
    expect((await mounted.sh('ls $M | wc -l')).stdout).toBe('0\n')
    expect(await mountState(dead.dir)).toMatchObject({ kind: 'live' })
  })

  it('[FS-4] a daemon killed while a notification waits is hung; a forced clean-up frees everybody', async () => {
    const killed = await Mounted.start({ entryValidMs: A_DAY_MS, attrValidMs: A_DAY_MS, keepCache: true })
    await killed.sh('echo held > $M/a')
    await killed.command({ kind: 'hold', operation: 'read' })
    await killed.command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
    const reader = spawn('cat', [join(killed.dir, 'a')], { cwd: '/' })
    const readerEnded = once(reader, 'exit')
    await until(async () => (await killed.command({ kind: 'counts' })).held === 1)
    void killed.command({ kind: 'inval-inode', path: 'a', offset: 0, length: 0 })
    const { pid = 0 } = killed.server
    await until(() => someThreadWaitsForAPage(pid))
    const serverEnded = once(killed.server, 'exit')
    killed.server.kill('SIGKILL')
    await until(() => processIsGone(pid))
    expect(await mountState(killed.dir, 500)).toMatchObject({ kind: 'hung' })
    expect(await cleanUpDeadMount(killed.dir, { subtype: 'agentfs' })).toBe(false)
    expect(await cleanUpDeadMount(killed.dir, { subtype: 'agentfs', force: true })).toBe(true)
    expect(await mountState(killed.dir)).toEqual({ kind: 'none' })
    await readerEnded
    await serverEnded
    mounted = await Mounted.start({ dir: killed.dir })
  })

  it('[FS-4] a process that exits while it serves leaves a dead mount, not a hung one', async () => {
    const exiting = await Mounted.start()
    const exited = once(exiting.server, 'exit')
    exiting.server.send('exit')
    await exited
    expect(await mountState(exiting.dir)).toMatchObject({ kind: 'dead' })
    mounted = await Mounted.start({ dir: exiting.dir })
  })

  it('a forced unmount ends requests in flight, and the session with them', async () => {
    mounted = await Mounted.start()
    await mounted.sh('echo held > $M/a')
    await mounted.command({ kind: 'hold', operation: 'read' })
    const reading = mounted.sh('cat $M/a')
    await until(async () => (await heldRequests()) === 1)
    const exited = once(mounted.server, 'exit')
    mounted.server.send('force')
    expect((await reading).status).not.toBe(0)
    await exited
    expect(mounted.end).toMatch(/^(aborted|unmounted)$/)
    expect(await mountState(mounted.dir)).toEqual({ kind: 'none' })
    await rmdir(mounted.dir)
  })

  it('cleanUpDeadMount leaves a live mount, and one of another type, alone', async () => {
    mounted = await Mounted.start()
    expect(await cleanUpDeadMount(mounted.dir, { subtype: 'agentfs' })).toBe(false)
    expect(await mountState(mounted.dir)).toMatchObject({ kind: 'live' })
    const dead = await Mounted.start()
    const exited = once(dead.server, 'exit')
    dead.server.kill('SIGKILL')
    await exited
    expect(await cleanUpDeadMount(dead.dir, { subtype: 'other' })).toBe(false)
    expect(await cleanUpDeadMount(dead.dir, { subtype: 'agentfs' })).toBe(true)
    expect(await mountState(dead.dir)).toEqual({ kind: 'none' })
    await rmdir(dead.dir)
  })

  it('[FS-4] mountState of a mount that does not answer comes back in time', async () => {
    mounted = await Mounted.start()
    await mounted.command({ kind: 'hold', operation: 'getattr' })
    expect(await mountState(mounted.dir, 500)).toMatchObject({ kind: 'hung' })
    await mounted.command({ kind: 'release', operation: 'getattr' })
    expect(await mountState(mounted.dir)).toMatchObject({ kind: 'live' })
  })

  it('unmounting a busy mount is refused with EBUSY, lazily it works and the session ends', async () => {
    mounted = await Mounted.start()
    await mounted.sh('echo x > $M/a')
    const holder = spawn('bash', ['-c', `exec 3<"${mounted.dir}/a"; echo open; read`], { cwd: '/' })
    await once(holder.stdout, 'data')
    const refusal = once(mounted.server, 'message')
    mounted.server.send('unmount')
    expect(JSON.stringify(await refusal)).toMatch('EBUSY')
    holder.stdin.end('\n')
    await once(holder, 'exit')
    await mounted.stop()
    expect(mounted.end).toBe('unmounted')
  })

  it('stop ends the session from within', async () => {
    mounted = await Mounted.start()
    const exited = once(mounted.server, 'exit')
    await mounted.command({ kind: 'stop' })
    await exited
    expect(mounted.end).toBe('stopped')
    expect(await mountState(mounted.dir)).toMatchObject({ kind: 'dead' })
    await cleanUpDeadMount(mounted.dir, { subtype: 'agentfs' })
    await rmdir(mounted.dir)
  })

  it('a read-only mount refuses writes with EROFS', async () => {
    mounted = await Mounted.start({ readOnly: true })
    expect((await mounted.sh('echo x > $M/a')).stderr).toMatch('Read-only file system')
  })

  it('a mountpoint with spaces, backslash, newline and umlaut is found again', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'fuse \\ \n ü-'))
    mounted = await Mounted.start({ dir })
    expect(await mountState(dir)).toMatchObject({
      kind: 'live',
      mount: { mountPoint: dir, source: 'reference, filesystem' },
    })
  })

  it('a mount is found through a symlink to its mountpoint, dead or alive', async () => {
    const link = join(await mkdtemp(join(tmpdir(), 'fuse-link-')), 'link')
    const dead = await Mounted.start()
    await symlink(dead.dir, link)
    expect(await mountState(link)).toMatchObject({ kind: 'live', mount: { mountPoint: dead.dir } })
    const exited = once(dead.server, 'exit')
    dead.server.kill('SIGKILL')
    await exited
    expect(await mountState(link)).toMatchObject({ kind: 'dead' })
    expect(await cleanUpDeadMount(link, { subtype: 'agentfs' })).toBe(true)
    mounted = await Mounted.start({ dir: dead.dir })
    await rm(dirname(link), { recursive: true })
  })

  it('a user without privileges mounts through fusermount3', async () => {
    const missing = await missingPrograms(['fusermount3', 'setpriv', 'unshare', 'nsenter'])
    if (!isRoot || missing.length > 0) {
      process.stderr.write(`skipped: needs root to become another user, and ${missing.join(', ')}\n`)
      mounted = await Mounted.start()
      return
    }
    const dir = await mkdtemp(join(tmpdir(), 'fuse-user-'))
    await chown(dir, 65534, 65534)
    await chmod(dir, 0o700)
    const options = { dir, allowOther: false, privileged: false }
    mounted = await Mounted.start(options, [...WITH_PUBLIC_DEVICE, ...AS_NOBODY])
    const inside = ['nsenter', '--mount', '--target', String(mounted.server.pid)]
    const script = 'echo mine > "$M/a"; cat "$M/a"; stat -c %u "$M/a"'
    expect((await mounted.sh(script, [...inside, ...AS_NOBODY])).stdout).toBe('mine\n65534\n')
    // Not even root is let in without allow_other.
    expect((await mounted.sh('ls "$M"', inside)).stderr).toMatch('Permission denied')
    const mounts = await mounted.sh('cat /proc/self/mountinfo', inside)
    expect(mounts.stdout).toMatch(/ fuse\.agentfs reference,\\040filesystem /)
    await mounted.stop()
    expect(mounted.end).toBe('unmounted')
  })
})

/** Whether a thread of a process is in uninterruptible sleep, as one is that waits for a locked page. */
async function someThreadWaitsForAPage(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`)
  const stats = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  )
  return stats.some((stat) => stat.charAt(stat.lastIndexOf(')') + 2) === 'D')
}

async function missingPrograms(programs: string[]): Promise<string[]> {
  const found = await Promise.all(programs.map(exists))
  return programs.filter((_, index) => found[index] !== true)
}

function exists(program: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('which', [program], (error) => resolve(error === null))
  })
}
