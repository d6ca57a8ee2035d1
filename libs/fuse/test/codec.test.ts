import { describe, expect, it } from '@jest/globals'
import type { FuseAttr, FuseEntry } from '../src/attributes.js'
import type { FuseHandlers } from '../src/handlers.js'
import { OPCODE } from '../src/opcodes.js'
import type { FuseReply } from '../src/replies.js'
import { converse, fields, INIT, request } from './wire.js'

// What the kernel's bytes become, and what answers become as bytes; layouts as in include/uapi/linux/fuse.h.

const HEADER = { unique: 2, nodeid: 1, uid: 1000, gid: 1001, pid: 4242 }
const NAME = Buffer.from('name')

/** The decoded form of one request, as the handler of that name gets it. */
function decoded(handler: keyof FuseHandlers, bytes: Buffer, init = INIT): object | undefined {
  let seen: object | undefined
  const handlers = {
    [handler]: (decodedRequest: object, reply?: FuseReply) => {
      // Views into the receive buffer end with the handler.
      seen = normalized(decodedRequest)
      reply?.error('EPERM')
    },
  }
  converse(handlers, [init, bytes])
  return seen
}

describe('requests', () => {
  const time = fields(100n, -5n, 300n, 1, 999_999_999, 3)
  const cases: [keyof FuseHandlers, number, Buffer, object][] = [
    ['lookup', OPCODE.LOOKUP, fields('name'), { name: NAME }],
    ['getattr', OPCODE.GETATTR, fields(1, 0, 77n), { fh: 77 }],
    ['getattr', OPCODE.GETATTR, fields(0, 0, 77n), { fh: undefined }],
    [
      'setattr',
      OPCODE.SETATTR,
      fields(
        (1 << 0) | (1 << 3) | (1 << 5) | (1 << 6) | (1 << 8) | (1 << 11),
        0,
        9n,
        2n ** 40n,
        0n,
        time,
        0o640,
        0,
        5,
        6,
        0,
      ),
      {
        fh: 9,
        mode: 0o640,
        uidNew: undefined,
        gidNew: undefined,
        size: 2 ** 40,
        atime: undefined,
        mtime: { sec: -5, nsec: 999_999_999 },
        ctime: undefined,
        atimeNow: false,
        mtimeNow: true,
        killSuidgid: true,
      },
    ],
    ['symlink', OPCODE.SYMLINK, fields('name', '/to/ö'), { name: NAME, target: Buffer.from('/to/ö') }],
    [
      'mknod',
      OPCODE.MKNOD,
      fields(0o20640, 0x501, 0o22, 0, 'name'),
      { name: NAME, mode: 0o20640, rdev: 0x501, umask: 0o22 },
    ],
    ['mkdir', OPCODE.MKDIR, fields(0o755, 0o22, 'name'), { name: NAME, mode: 0o755, umask: 0o22 }],
    ['unlink', OPCODE.UNLINK, fields('name'), { name: NAME }],
    ['rmdir', OPCODE.RMDIR, fields('name'), { name: NAME }],
    [
      'rename',
      OPCODE.RENAME,
      fields(8n, 'name', 'b'),
      { name: NAME, newParent: 8, newName: Buffer.from('b'), flags: 0 },
    ],
    [
      'rename',
      OPCODE.RENAME2,
      fields(8n, 2, 0, 'name', 'b'),
      { name: NAME, newParent: 8, newName: Buffer.from('b'), flags: 2 },
    ],
    ['link', OPCODE.LINK, fields(44n, 'name'), { oldNodeid: 44, newName: NAME }],
    ['open', OPCODE.OPEN, fields(0o2001, 1), { flags: 0o2001, killSuidgid: true }],
    [
      'create',
      OPCODE.CREATE,
      fields(0o101, 0o100644, 0o22, 0, 'name'),
      { name: NAME, flags: 0o101, mode: 0o100644, umask: 0o22, killSuidgid: false },
    ],
    [
      'tmpfile',
      OPCODE.TMPFILE,
      fields(2, 0o600, 0, 0, '/'),
      { name: Buffer.from('/'), flags: 2, mode: 0o600, umask: 0, killSuidgid: false },
    ],
    [
      'read',
      OPCODE.READ,
      fields(3n, 2n ** 33n, 4096, 0, 0n, 0o100000, 0),
      { fh: 3, offset: 2 ** 33, size: 4096, flags: 0o100000 },
    ],
    [
      'write',
      OPCODE.WRITE,
      fields(3n, 5n, 4, 1 | 4, 0n, 1, 0, Buffer.from('data')),
      { fh: 3, offset: 5, data: Buffer.from('data'), flags: 1, fromPageCache: true, killSuidgid: true },
    ],
    ['flush', OPCODE.FLUSH, fields(3n, 0, 0, 1n), { fh: 3 }],
    ['release', OPCODE.RELEASE, fields(3n, 2, 0, 0n), { fh: 3, flags: 2 }],
    ['fsync', OPCODE.FSYNC, fields(3n, 1, 0), { fh: 3, dataOnly: true }],
    [
      'setxattr',
      OPCODE.SETXATTR,
      fields(3, 1, 0, 0, 'user.a', Buffer.from('xyz')),
      { name: Buffer.from('user.a'), value: Buffer.from('xyz'), flags: 1 },
    ],
    ['getxattr', OPCODE.GETXATTR, fields(64, 0, 'user.a/b'), { name: Buffer.from('user.a/b'), size: 64 }],
    ['listxattr', OPCODE.LISTXATTR, fields(0, 0), { size: 0 }],
    ['removexattr', OPCODE.REMOVEXATTR, fields('user.a'), { name: Buffer.from('user.a') }],
    ['opendir', OPCODE.OPENDIR, fields(0o200000, 0), { flags: 0o200000, killSuidgid: false }],
    ['readdir', OPCODE.READDIR, fields(3n, 7n, 4096, 0, 0n, 0, 0), { fh: 3, offset: 7, size: 4096 }],
    ['readdirplus', OPCODE.READDIRPLUS, fields(3n, 7n, 4096, 0, 0n, 0, 0), { fh: 3, offset: 7, size: 4096 }],
    ['releasedir', OPCODE.RELEASEDIR, fields(3n, 0, 0, 0n), { fh: 3, flags: 0 }],
    ['fsyncdir', OPCODE.FSYNCDIR, fields(3n, 0, 0), { fh: 3, dataOnly: false }],
    ['access', OPCODE.ACCESS, fields(4, 0), { mask: 4 }],
    ['fallocate', OPCODE.FALLOCATE, fields(3n, 10n, 20n, 3, 0), { fh: 3, offset: 10, length: 20, mode: 3 }],
    ['lseek', OPCODE.LSEEK, fields(3n, 10n, 4, 0), { fh: 3, offset: 10, whence: 4 }],
    [
      'copyFileRange',
      OPCODE.COPY_FILE_RANGE,
      fields(3n, 10n, 4n, 5n, 11n, 12n, 0n),
      { fhIn: 3, offsetIn: 10, nodeidOut: 4, fhOut: 5, offsetOut: 11, length: 12, flags: 0 },
    ],
    ['statx', OPCODE.STATX, fields(1, 0, 3n, 0x100, 0xfff), { fh: 3, flags: 0x100, mask: 0xfff }],
    ['statfs', OPCODE.STATFS, Buffer.alloc(0), {}],
    ['readlink', OPCODE.READLINK, Buffer.alloc(0), {}],
    ['syncfs', OPCODE.SYNCFS, fields(0n), {}],
  ]

  it.each(cases)('%s (opcode %i)', (handler, opcode, body, expected) => {
    expect(decoded(handler, request(opcode, body))).toEqual(normalized({ ...HEADER, ...expected }))
  })

  it('SETXATTR without SETXATTR_EXT has the short body', () => {
    const init = request(OPCODE.INIT, fields(7, 31, 0x20000, 0), 1n)
    const bytes = request(OPCODE.SETXATTR, fields(3, 2, 'user.a', Buffer.from('xyz')))
    expect(decoded('setxattr', bytes, init)).toEqual(
      normalized({ ...HEADER, name: Buffer.from('user.a'), value: Buffer.from('xyz'), flags: 2 }),
    )
  })

  it('FORGET and BATCH_FORGET give each node its count, and are not answered', () => {
    const seen: unknown[] = []
    const { answers } = converse({ forget: (forgotten) => seen.push(forgotten) }, [
      INIT,
      request(OPCODE.FORGET, fields(3n), 2n, 7n),
      request(OPCODE.BATCH_FORGET, fields(2, 0, 8n, 1n, 9n, 2n ** 35n), 4n, 0n),
    ])
    expect(seen).toEqual([
      { nodeid: 7, nlookup: 3 },
      { nodeid: 8, nlookup: 1 },
      { nodeid: 9, nlookup: 2 ** 35 },
    ])
    expect(answers.map(({ unique }) => unique)).toEqual([1n])
  })
})

const ATTR: FuseAttr = {
  ino: 2 ** 40 + 2,
  size: 3,
  blocks: 4,
  atimeSec: 5,
  atimeNsec: 6,
  mtimeSec: -7,
  mtimeNsec: 8,
  ctimeSec: 9,
  ctimeNsec: 10,
  mode: 0o100644,
  nlink: 11,
  uid: 12,
  gid: 13,
  rdev: 0x1234_5678,
  blksize: 4096,
}
const ATTR_BYTES = fields(
  2n ** 40n + 2n,
  3n,
  4n,
  5n,
  -7n,
  9n,
  6,
  8,
  10,
  0o100644,
  11,
  12,
  13,
  0x1234_5678,
  4096,
  0,
)
const ENTRY: FuseEntry = { nodeid: 21, generation: 22, attr: ATTR, entryValidMs: 1500, attrValidMs: Infinity }
const ENTRY_BYTES = fields(21n, 22n, 1n, 0x7fff_ffffn, 500_000_000, 0, ATTR_BYTES)

/** The answer to one request. */
function answered(handlers: FuseHandlers, bytes: Buffer): { error: number; body: string } {
  const answer = converse(handlers, [INIT, bytes]).answers[1]
  return { error: answer?.error ?? -1, body: answer?.body.toString('hex') ?? '' }
}

describe('answers', () => {
  const read = request(OPCODE.READ, fields(0n, 0n, 8, 0, 0n, 0, 0))
  const cases: [string, FuseHandlers, Buffer, Buffer][] = [
    ['entry', { lookup: (_, reply) => reply.entry(ENTRY) }, request(OPCODE.LOOKUP, fields('a')), ENTRY_BYTES],
    [
      'a negative entry',
      { lookup: (_, reply) => reply.negativeEntry(2000) },
      request(OPCODE.LOOKUP, fields('a')),
      fields(0n, 0n, 2n, 0n, 0, 0, Buffer.alloc(88)),
    ],
    [
      'attr',
      { getattr: (_, reply) => reply.attr(ATTR, 250) },
      request(OPCODE.GETATTR, fields(0, 0, 0n)),
      fields(0n, 250_000_000, 0, ATTR_BYTES),
    ],
    [
      'opened',
      { open: (_, reply) => reply.opened(2 ** 33, 3) },
      request(OPCODE.OPEN, fields(0, 0)),
      fields(2n ** 33n, 3, 0),
    ],
    [
      'created',
      { create: (_, reply) => reply.created(ENTRY, 5, 1) },
      request(OPCODE.CREATE, fields(0, 0, 0, 0, 'a')),
      fields(ENTRY_BYTES, 5n, 1, 0),
    ],
    ['data', { read: (_, reply) => reply.data(Buffer.from('data')) }, read, Buffer.from('data')],
    [
      'fill',
      { read: (_, reply) => reply.fill((room) => room.write('filled!!')) },
      read,
      Buffer.from('filled!!'),
    ],
    [
      'written',
      { write: (_, reply) => reply.written(4) },
      request(OPCODE.WRITE, fields(0n, 0n, 4, 0, 0n, 0, 0, Buffer.from('data'))),
      fields(4, 0),
    ],
    [
      'target',
      { readlink: (_, reply) => reply.target(Buffer.from('../ö')) },
      request(OPCODE.READLINK),
      Buffer.from('../ö'),
    ],
    ['ok', { unlink: (_, reply) => reply.ok() }, request(OPCODE.UNLINK, fields('a')), Buffer.alloc(0)],
    [
      'statfs',
      {
        statfs: (_, reply) =>
          reply.statfs({
            blocks: 1,
            bfree: 2,
            bavail: 3,
            files: 4,
            ffree: 5,
            bsize: 6,
            namelen: 7,
            frsize: 8,
          }),
      },
      request(OPCODE.STATFS),
      fields(1n, 2n, 3n, 4n, 5n, 6, 7, 8, Buffer.alloc(28)),
    ],
    [
      'xattr',
      { getxattr: (_, reply) => reply.xattr(Buffer.from('abc')) },
      request(OPCODE.GETXATTR, fields(3, 0, 'user.a')),
      Buffer.from('abc'),
    ],
    [
      'xattr, length only',
      { getxattr: (_, reply) => reply.xattr(Buffer.from('abc')) },
      request(OPCODE.GETXATTR, fields(0, 0, 'user.a')),
      fields(3, 0),
    ],
    [
      'offset',
      { lseek: (_, reply) => reply.offset(2 ** 35) },
      request(OPCODE.LSEEK, fields(0n, 0n, 3, 0)),
      fields(2n ** 35n),
    ],
    [
      'copied',
      { copyFileRange: (_, reply) => reply.copied(9) },
      request(OPCODE.COPY_FILE_RANGE, Buffer.alloc(56)),
      fields(9, 0),
    ],
    [
      'copied, in 64 bits',
      { copyFileRange: (_, reply) => reply.copied(2 ** 33) },
      request(OPCODE.COPY_FILE_RANGE_64, Buffer.alloc(56)),
      fields(2n ** 33n),
    ],
    [
      'statx',
      { statx: (_, reply) => reply.statx(ATTR, 1000, { sec: -1, nsec: 2 }) },
      request(OPCODE.STATX, Buffer.alloc(24)),
      Buffer.concat([
        fields(1n, 0, 0, 0n, 0n),
        fields(0xfff, 4096, 0n, 11, 12, 13, 0o100644, 2n ** 40n + 2n, 3n, 4n, 0n),
        fields(5n, 6, 0, -1n, 2, 0, 9n, 10, 0, -7n, 8, 0),
        // 0x12345678: major 0x456, minor 0x12378.
        fields(0x456, 0x12378, 0, 0, Buffer.alloc(112)),
      ]),
    ],
  ]

  it.each(cases)('%s', (_, handlers, bytes, expected) => {
    expect(answered(handlers, bytes)).toEqual({ error: 0, body: expected.toString('hex') })
  })

  it('an xattr larger than the room is ERANGE; an error has no body', () => {
    const bytes = request(OPCODE.GETXATTR, fields(2, 0, 'user.a'))
    expect(answered({ getxattr: (_, reply) => reply.xattr(Buffer.from('abc')) }, bytes)).toEqual({
      error: 34,
      body: '',
    })
  })

  it('READDIR packs what fits, and says so when the next does not', () => {
    const fitted: boolean[] = []
    const handlers: FuseHandlers = {
      readdir: (_, reply) => {
        fitted.push(
          reply.add('a', 2 ** 33, 8, 1),
          reply.add(Buffer.from('12345678'), 3, 4, 2),
          reply.add('c', 4, 8, 3),
        )
        reply.send()
      },
    }
    const bytes = request(OPCODE.READDIR, fields(0n, 0n, 90, 0, 0n, 0, 0))
    const first = fields(2n ** 33n, 1n, 1, 8, Buffer.from('a\0\0\0\0\0\0\0'))
    const second = fields(3n, 2n, 8, 4, Buffer.from('12345678'))
    expect(answered(handlers, bytes)).toEqual({
      error: 0,
      body: Buffer.concat([first, second]).toString('hex'),
    })
    expect(fitted).toEqual([true, true, false])
  })

  it('READDIRPLUS puts an entry before each name; one without attributes has nodeid 0', () => {
    const handlers: FuseHandlers = {
      readdirplus: (_, reply) => {
        reply.add('.', 1, 4, 1)
        reply.addEntry('file', ENTRY, 2)
        reply.send()
      },
    }
    const dot = fields(Buffer.alloc(128), 1n, 1n, 1, 4, Buffer.from('.\0\0\0\0\0\0\0'))
    const file = fields(ENTRY_BYTES, 2n ** 40n + 2n, 2n, 4, 8, Buffer.from('file\0\0\0\0'))
    expect(answered(handlers, request(OPCODE.READDIRPLUS, fields(0n, 0n, 4096, 0, 0n, 0, 0)))).toEqual({
      error: 0,
      body: Buffer.concat([dot, file]).toString('hex'),
    })
  })
})

/** Copied and comparable: bytes as hexadecimal text. */
function normalized(value: object): object {
  const entries = Object.entries(value) as [string, unknown][]
  return Object.fromEntries(
    entries.map(([name, item]) => [name, Buffer.isBuffer(item) ? item.toString('hex') : item]),
  )
}
