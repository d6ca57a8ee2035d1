import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine, type Mount } from './harness/machine.js'
import { Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let key: string
let machine: Machine
let mount: Mount

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ key } = await service.signup('files'))
  machine = new Machine({ home: join(directory.path, 'm'), service, token: key, agent: 'files' })
  mount = await machine.mount()
})

afterAll(async () => {
  await machine?.close()
  await service?.stop()
  await directory?.remove()
})

/** Runs a Python script in the mount's directory; an assertion in it that fails shows in what comes back. */
async function python(script: string): Promise<string> {
  const done = await mount.shell(`python3 - <<'PYTHON'\n${script}\nPYTHON`)
  return done.code === 0 ? 'ok' : `${done.stdout}\n${done.stderr}`
}

describe('[VIS-1] on one mount files behave as on a local disk', () => {
  it('write, read back, overwrite in the middle, append, truncate, grow', async () => {
    expect(
      await python(`
import os
open('a','wb').write(b'hello world')
with open('a','r+b') as f: f.seek(6); f.write(b'WORLD')
assert open('a','rb').read() == b'hello WORLD'
with open('a','ab') as f: f.write(b'!')
os.truncate('a', 5); assert open('a','rb').read() == b'hello'
os.truncate('a', 8); assert open('a','rb').read() == b'hello\\0\\0\\0'
assert os.stat('a').st_size == 8
big = os.urandom(3_000_000)
open('big','wb').write(big); assert open('big','rb').read() == big
`),
    ).toBe('ok')
  })

  it('rename over, rename of an open file, unlink while open, directories', async () => {
    expect(
      await python(`
import os, errno
open('x','w').write('x'); open('y','w').write('y')
held = open('y'); os.rename('x','y')
assert held.read() == 'y' and open('y').read() == 'x'
f = open('y','r+'); os.rename('y','z'); f.write('Z'); f.close(); assert open('z').read() == 'Z'
g = open('z'); os.unlink('z'); assert g.read() == 'Z' and not os.path.exists('z')
os.makedirs('d/e'); open('d/e/f','w').close()
try: os.rmdir('d'); raise SystemExit('rmdir of a full directory')
except OSError as e: assert e.errno == errno.ENOTEMPTY
os.rename('d','d2'); assert os.listdir('d2/e') == ['f']
try: os.rename('d2','d2/e/g'); raise SystemExit('moved below itself')
except OSError as e: assert e.errno == errno.EINVAL
`),
    ).toBe('ok')
  })

  it('symlinks, hard links, modes, times, extended attributes, exclusive creation', async () => {
    expect(
      await python(`
import os, stat, errno
open('t','w').write('t'); os.symlink('t','s'); assert os.readlink('s') == 't' and open('s').read() == 't'
os.link('t','h'); assert os.stat('t').st_nlink == 2 and os.stat('t').st_ino == os.stat('h').st_ino
os.chmod('t', 0o640); assert stat.S_IMODE(os.stat('h').st_mode) == 0o640
os.utime('t', ns=(1_000_000_001, 1_234_567_891_011)); assert os.stat('t').st_mtime_ns == 1_234_567_891_011
os.setxattr('t','user.color',b'blue'); assert os.getxattr('h','user.color') == b'blue'
assert os.getxattr('t','user.agentfs.state') in (b'journaled', b'acknowledged', b'stored')
try: os.open('t', os.O_CREAT | os.O_EXCL); raise SystemExit('created what exists')
except OSError as e: assert e.errno == errno.EEXIST
assert os.statvfs('.').f_namemax == 255
`),
    ).toBe('ok')
  })

  it('[FS-1] set-group-ID directories, cutting to the same size, attributes of a file that has no name any more', async () => {
    expect(
      await python(`
import os, stat, time
os.mkdir('group'); os.chmod('group', 0o2775); os.makedirs('group/below/deeper')
assert stat.S_IMODE(os.stat('group/below/deeper').st_mode) & 0o2000
for cut in (lambda: open('stamp', 'w').close(), lambda: os.truncate('stamp', 0)):
    open('stamp', 'w').close(); before = os.stat('stamp').st_mtime_ns; time.sleep(0.02); cut()
    assert os.stat('stamp').st_mtime_ns > before
f = open('gone', 'w+'); os.unlink('gone')
os.setxattr(f.fileno(), 'user.a', b'1'); assert os.getxattr(f.fileno(), 'user.a') == b'1'
assert os.listxattr(f.fileno()) == ['user.a']
os.removexattr(f.fileno(), 'user.a'); assert os.listxattr(f.fileno()) == []
assert os.fstat(f.fileno()).st_nlink == 0
`),
    ).toBe('ok')
  })

  it('[FS-1] appends through two handles, RENAME_EXCHANGE and RENAME_NOREPLACE, locks, shared mappings', async () => {
    expect(
      await python(`
import ctypes, errno, fcntl, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def rename(a, b, flags): return 0 if libc.renameat2(-100, a, -100, b, flags) == 0 else ctypes.get_errno()
handles = [os.open('log', os.O_CREAT | os.O_WRONLY | os.O_APPEND) for _ in range(2)]
for n in range(6): os.write(handles[n % 2], b'%d' % n)
for handle in handles: os.close(handle)
assert open('log').read() == '012345'
open('left', 'w').write('l'); open('right', 'w').write('r')
assert rename(b'left', b'right', 2) == 0 and open('left').read() == 'r' and open('right').read() == 'l'
assert rename(b'left', b'right', 1) == errno.EEXIST and rename(b'left', b'nowhere', 2) == errno.ENOENT
one, other = open('left'), open('left')
fcntl.flock(one, fcntl.LOCK_EX)
try: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB); raise SystemExit('locked twice')
except OSError as e: assert e.errno == errno.EWOULDBLOCK
open('mapped', 'wb').write(bytes(8192))
f = open('mapped', 'r+b'); m = mmap.mmap(f.fileno(), 8192); f.close()
m[100:105] = b'hello'; os.pwrite(os.open('mapped', os.O_WRONLY), b'there', 200)
assert m[200:205] == b'there'; m.close()
assert open('mapped', 'rb').read()[100:105] == b'hello'
`),
    ).toBe('ok')
  })

  it('[FS-6] names of any bytes, kept exactly', async () => {
    expect(
      await python(`
import os
names = [b'new\\nline', b'\\xff\\xfe', 'é'.encode(), b' space ', b'-dash', b'x'*255]
os.mkdir('names')
for n in names: open(b'names/'+n,'w').close()
assert sorted(os.listdir(b'names')) == sorted(names)
`),
    ).toBe('ok')
  })
})

describe('[FS-5] .agentfs/', () => {
  it('is hidden from listings, shows the status, and cannot be changed', async () => {
    expect((await mount.shell('ls -a | grep -c agentfs')).stdout).toBe('0\n')
    const status = JSON.parse((await mount.shell('cat .agentfs/status')).stdout) as Record<string, unknown>
    expect(status['feed']).toBe('connected')
    expect((await mount.shell('ls .agentfs')).stdout).toBe('rejected\nstatus\n')
    expect((await mount.shell('echo x > .agentfs/status')).code).not.toBe(0)
    expect((await mount.shell('rm -rf .agentfs; mkdir .agentfs')).code).not.toBe(0)
  })
})

describe('[FS-7] owners', () => {
  it('are shown as the mounting user, and as stored where root asks for it', async () => {
    await mount.shell('echo mine > owned.md && chown 1234:5678 owned.md')
    const me = `${process.getuid?.()}:${process.getgid?.()}\n`
    expect((await mount.shell('stat -c %u:%g owned.md')).stdout).toBe(me)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(0)
    const other = new Machine({ home: join(directory.path, 'stored'), service, token: key, agent: 'files' })
    const stored = await other.mount('memory', ['--owners=stored'])
    await stored.shell('chown 1234:5678 owned.md')
    expect((await stored.shell('stat -c %u:%g owned.md')).stdout).toBe('1234:5678\n')
    expect((await mount.shell('stat -c %u:%g owned.md')).stdout).toBe(me)
    await stored.unmount()
  })
})
