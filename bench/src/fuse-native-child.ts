import { createRequire } from 'node:module'

// CommonJS without types: the few calls used are described here.
interface FuseNative {
  mount(done: (error: Error | null) => void): void
  unmount(done: () => void): void
}
type Callback = (code: number, result?: unknown) => void
interface FuseNativeConstructor {
  new (directory: string, operations: Record<string, (...args: never[]) => void>, options: object): FuseNative
  readonly ENOENT: number
}

const require = createRequire(import.meta.url)
const Fuse = require('fuse-native') as FuseNativeConstructor
const directory = process.argv[2] ?? ''
const epoch = new Date(0)
const times = {
  mtime: epoch,
  atime: epoch,
  ctime: epoch,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
}
const SIZE = 1024

const fuse = new Fuse(
  directory,
  {
    readdir: (path: string, done: Callback) => done(path === '/' ? 0 : Fuse.ENOENT, ['hello']),
    getattr: (path: string, done: Callback) => {
      if (path === '/') done(0, { ...times, nlink: 1, size: 100, mode: 0o40755 })
      else if (path === '/hello') done(0, { ...times, nlink: 1, size: SIZE, mode: 0o100644 })
      else done(Fuse.ENOENT)
    },
    open: (_path: string, _flags: number, done: Callback) => done(0, 42),
    release: (_path: string, _fd: number, done: Callback) => done(0),
    read: (_path: string, _fd: number, buffer: Buffer, length: number, position: number, done: Callback) => {
      const size = Math.max(0, Math.min(SIZE - position, length))
      buffer.fill(97, 0, size)
      done(size)
    },
  },
  { force: true, mkdir: true },
)
fuse.mount((error) => {
  process.stdout.write(error === null ? 'mounted\n' : `failed ${error.message}\n`)
})
process.on('SIGTERM', () => fuse.unmount(() => process.exit(0)))
