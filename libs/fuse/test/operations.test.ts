import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { setReadahead } from '../src/index.js'
import { buildOnce } from './build.js'
import { Mounted, until } from './mounted.js'

// A real mount, driven from other processes than the one that serves it.

describe('every operation, on a mount without caching', () => {
  let mounted: Mounted
  beforeAll(async () => {
    await buildOnce()
    mounted = await Mounted.start()
  })
  afterAll(() => mounted.stop())

  const ok = async (script: string): Promise<string> => {
    const { stdout, stderr, status } = await mounted.sh(`set -e; cd $M; ${script}`)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    return stdout
  }
  const python = async (script: string): Promise<string> => {
    const { stdout, stderr, status } = await mounted.python(`import os,sys\nos.chdir(sys.argv[1])\n${script}`)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    return stdout
  }

  it('CREATE, WRITE, READ, FLUSH, RELEASE: what was written is read', async () => {
    expect(await ok('echo hello > a; echo more >> a; cat a')).toBe('hello\nmore\n')
  })

  it('LOOKUP: a missing name is ENOENT', async () => {
    expect((await mounted.sh('cat $M/missing')).stderr).toMatch('No such file')
  })

  it('OPEN with O_TRUNC empties without a SETATTR before it', async () => {
    expect(await ok('echo long long > t; echo s > t; cat t; stat -c %s t')).toBe('s\n2\n')
  })

  it('MKDIR, RMDIR, link counts and ENOTEMPTY', async () => {
    expect(await ok('mkdir -p d/e/f; stat -c %h d d/e; rmdir d/e/f; stat -c %h d/e')).toBe('3\n3\n2\n')
    expect((await mounted.sh('rmdir $M/d')).stderr).toMatch('Directory not empty')
  })

  it('MKNOD: fifo and its mode under the umask', async () => {
    expect(await ok('umask 027; mkfifo p; stat -c "%F %a" p')).toBe('fifo 640\n')
  })

  it('SYMLINK and READLINK, with a target of 4,000 bytes', async () => {
    expect(await ok('ln -s a s; readlink s; cat s >/dev/null')).toBe('a\n')
    expect(await python(`t='x/'*2000; os.symlink(t,'long'); print(os.readlink('long')==t)`)).toBe('True\n')
  })

  it('LINK: two names, one inode; UNLINK leaves the other', async () => {
    expect(await ok('echo x > l1; ln l1 l2; stat -c %h l1; rm l1; cat l2; stat -c %h l2')).toBe('2\nx\n1\n')
  })

  it('RENAME over a file, RENAME2 NOREPLACE and EXCHANGE', async () => {
    expect(await ok('echo 1 > r1; echo 2 > r2; mv r1 r2; cat r2; test ! -e r1')).toBe('1\n')
    const script = `
import ctypes
libc=ctypes.CDLL(None,use_errno=True)
def rename2(a,b,f): return 0 if libc.renameat2(-100,a,-100,b,f)==0 else os.strerror(ctypes.get_errno())
open('x1','w').write('one'); open('x2','w').write('two')
print(rename2(b'x1',b'x2',1), rename2(b'x1',b'x2',2), open('x1').read(), open('x2').read())`
    expect(await python(script)).toBe('File exists 0 two one\n')
  })

  it('unlink while open: the handle reads and writes on', async () => {
    const script = `
f=open('u','w+b'); f.write(b'abc'); f.flush(); os.unlink('u')
f.write(b'def'); f.seek(0); print(f.read().decode(), os.fstat(f.fileno()).st_nlink, os.path.exists('u'))`
    expect(await python(script)).toBe('abcdef 0 False\n')
  })

  it('SETATTR: mode, owner, size, and times to the nanosecond, before 1970 too', async () => {
    const script = `
open('s1','w').write('0123456789'); os.chmod('s1',0o640); os.chown('s1',12,34); os.truncate('s1',4)
os.utime('s1',ns=(-1_500_000_001, 4_102_444_800_123_456_789))
s=os.stat('s1'); print(oct(s.st_mode), s.st_uid, s.st_gid, s.st_size, s.st_atime_ns, s.st_mtime_ns)
os.truncate('s1',6); print(open('s1','rb').read())`
    expect(await python(script)).toBe("0o100640 12 34 4 -1500000001 4102444800123456789\nb'0123\\x00\\x00'\n")
  })

  it('writing clears set-user-ID and set-group-ID for those who may not keep them', async () => {
    const script =
      'cp /bin/true k; chmod 6777 k; setpriv --reuid 1234 --clear-groups sh -c "echo >> k"; stat -c %a k'
    expect(await ok(script)).toBe('777\n')
  })

  it('SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR with bytes, ENODATA, EEXIST and ERANGE', async () => {
    const script = `
import errno, ctypes
open('xa','w').close()
os.setxattr('xa','user.one',bytes(range(256))); os.setxattr('xa','user.two',b'')
print(os.getxattr('xa','user.one')==bytes(range(256)), os.getxattr('xa','user.two'), sorted(os.listxattr('xa')))
def code(f):
  try: f()
  except OSError as e: return errno.errorcode[e.errno]
print(code(lambda: os.getxattr('xa','user.none')), code(lambda: os.setxattr('xa','user.one',b'',os.XATTR_CREATE)))
libc=ctypes.CDLL(None,use_errno=True); b=ctypes.create_string_buffer(8)
print(libc.getxattr(b'xa',b'user.one',b,8), errno.errorcode[ctypes.get_errno()])
os.removexattr('xa','user.one'); print(os.listxattr('xa'))`
    expect(await python(script)).toBe(
      "True b'' ['user.one', 'user.two']\nENODATA EEXIST\n-1 ERANGE\n['user.two']\n",
    )
  })

  it('STATFS gives the filesystem’s numbers', async () => {
    expect(await ok('stat -f -c "%b %f %a %c %d %l %s" .')).toBe('1048576 524288 262144 1000 900 255 4096\n')
  })

  it('FSYNC and FSYNCDIR arrive', async () => {
    const script = `
f=open('fs','w'); f.write('x'); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
d=os.open('.',os.O_RDONLY); os.fsync(d)`
    await python(script)
    const { counts } = await mounted.command({ kind: 'counts' })
    expect(counts).toMatchObject({ fsync: 2, fsyncdir: 1 })
  })

  it('FALLOCATE extends and punches, LSEEK finds holes, COPY_FILE_RANGE copies', async () => {
    await ok('fallocate -l 10000 fa; test $(stat -c %s fa) = 10000')
    const script = `
f=os.open('fa',os.O_RDWR); os.pwrite(f,b'z'*10000,0)
print(os.lseek(f,10,os.SEEK_DATA), os.lseek(f,10,os.SEEK_HOLE))
g=os.open('fc',os.O_RDWR|os.O_CREAT); print(os.copy_file_range(f,g,10000,0,5), os.stat('fc').st_size)`
    expect(await python(script)).toBe('10 10000\n10000 10005\n')
    await ok('fallocate -p -o 0 -l 4096 fa; test "$(head -c 4096 fa | tr -d "\\0" | wc -c)" = 0')
  })

  it('TMPFILE: a file without a name gets one by link', async () => {
    const script = `
import ctypes
f=os.open('.',os.O_TMPFILE|os.O_RDWR,0o600); os.write(f,b'tmp'); print(os.fstat(f).st_nlink)
print(ctypes.CDLL(None).linkat(-100,b'/proc/self/fd/%d'%f,-100,b'named',0x400), open('named').read())`
    expect(await python(script)).toBe('0\n0 tmp\n')
  })

  it('mmap reads, and shared writable mappings reach the file', async () => {
    const script = `
import mmap
open('mm','wb').write(b'a'*8192); f=os.open('mm',os.O_RDWR); m=mmap.mmap(f,8192); m[4096:4099]=b'xyz'; m.flush(); m.close()
print(open('mm','rb').read()[4095:4100])`
    expect(await python(script)).toBe("b'axyza'\n")
  })

  it('locks of both kinds hold within the mount', async () => {
    const script = `
import fcntl
open('lk','w').close(); a=open('lk','r+'); fcntl.lockf(a,fcntl.LOCK_EX); b=open('lk','r+'); fcntl.flock(b,fcntl.LOCK_EX)
if os.fork()==0:
  r=[]
  for lock in (fcntl.lockf,fcntl.flock):
    try: lock(open('lk','r+'),fcntl.LOCK_EX|fcntl.LOCK_NB); r.append('got')
    except OSError: r.append('held')
  print(*r,flush=True); os._exit(0)
os.wait()`
    expect(await python(script)).toBe('held held\n')
  })

  it('names with newline, quotes and bytes that are not UTF-8 are kept exactly', async () => {
    const script = `
names=[b'new\\nline', b'\\xff\\xfe', b'\\xc3\\x28', b' lead', b'tab\\t', b'a'*255, 'ö'.encode(), 'o\\u0308'.encode()]
os.mkdir('names')
for n in names: open(b'names/'+n,'wb').write(n)
print(sorted(os.listdir(b'names'))==sorted(names), all(open(b'names/'+n,'rb').read()==n for n in names))`
    expect(await python(script)).toBe('True True\n')
  })

  it('READDIRPLUS lists 10,000 entries once each, with attributes', async () => {
    const script = `
os.mkdir('many')
for i in range(10000): os.mknod('many/entry-%05d'%i)
seen=[(e.name,e.stat().st_ino,e.is_file()) for e in os.scandir('many')]
print(len(seen),len({n for n,_,_ in seen}),len({i for _,i,_ in seen}),all(f for _,_,f in seen))
print(sum(1 for _ in os.scandir('many')))`
    expect(await python(script)).toBe('10000 10000 10000 True\n10000\n')
    const { counts } = await mounted.command({ kind: 'counts' })
    expect(counts['readdirplus']).toBeGreaterThan(10)
    expect(counts['readdir'] ?? 0).toBe(0)
  })

  it('a write of 1 MiB arrives as one request, and comes back', async () => {
    const before = (await mounted.command({ kind: 'counts' })).writeSizes.length
    const script = `
d=os.urandom(3<<20); f=os.open('big',os.O_WRONLY|os.O_CREAT)
for i in range(3): os.write(f,d[i<<20:(i+1)<<20])
os.close(f); print(open('big','rb').read()==d)`
    expect(await python(script)).toBe('True\n')
    const { writeSizes } = await mounted.command({ kind: 'counts' })
    expect(writeSizes.slice(before)).toEqual([1 << 20, 1 << 20, 1 << 20])
  })

  it('read-ahead can be raised: 4 MiB come in few requests', async () => {
    const reads = async (): Promise<number> => (await mounted.command({ kind: 'counts' })).counts['read'] ?? 0
    await ok('head -c 4194304 /dev/zero > ahead')
    const before = await reads()
    await ok('cat ahead > /dev/null')
    const small = (await reads()) - before
    if (!(await setReadahead(mounted.dir, 1 << 20))) return
    await ok('cat ahead > /dev/null')
    const large = (await reads()) - before - small
    expect(small).toBeGreaterThanOrEqual(16)
    expect(large).toBeLessThan(small / 2)
  })

  it('FORGET: nodes that were removed are given back', async () => {
    const before = (await mounted.command({ kind: 'counts' })).counts['forget'] ?? 0
    await ok('mkdir g; for i in 1 2 3 4 5 6 7 8 9; do echo $i > g/$i; done; rm -r g')
    const forgets = async (): Promise<number> =>
      (await mounted.command({ kind: 'counts' })).counts['forget'] ?? 0
    await until(async () => (await forgets()) >= before + 10)
    expect(await forgets()).toBeGreaterThanOrEqual(before + 10)
  })

  it('nothing went wrong on the way', async () => {
    const { logged, held } = await mounted.command({ kind: 'counts' })
    expect({ logged, held }).toEqual({ logged: [], held: 0 })
  })
})
