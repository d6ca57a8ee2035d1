import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { isAgentfsError } from '@agentfs/contracts'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'
import { isStoreError } from './store-error.js'

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isAgentfsError(error) || isStoreError(error)) return error.code
    throw error
  }
  return 'none'
}

describe('names', () => {
  it('[FS-1] a created file is found, listed and counted', () => {
    const ino = fixture.put('a', 'hello')
    expect(fixture.store.lookup(1, 'a')).toMatchObject({ ino, kind: 'file', size: 5, links: 1 })
    const dir = fixture.mkdir('d')
    expect(fixture.store.list(1)).toEqual([
      { name: 'a', ino, kind: 'file' },
      { name: 'd', ino: dir, kind: 'directory' },
    ])
    expect(fixture.store.attributes(1).links).toBe(3)
    expect(fixture.store.parentOf(dir)).toBe(1)
  })

  it('[FS-1] what is made in a set-group-ID directory takes its group, a directory the bit too', () => {
    const { store } = fixture
    const owner = { uid: 1, gid: 1 }
    const dir = fixture.mkdir('d')
    store.setAttributes(dir, { mode: 0o2775, gid: 77 })
    expect(store.create(dir, 'f', { kind: 'file', mode: 0o644, ...owner })).toMatchObject({
      mode: 0o644,
      gid: 77,
    })
    expect(store.symlink(dir, 's', 'f', owner)).toMatchObject({ gid: 77 })
    const inner = store.create(dir, 'inner', { kind: 'directory', mode: 0o755, ...owner })
    expect(inner).toMatchObject({ mode: 0o2755, gid: 77 })
    expect(store.create(1, 'outside', { kind: 'file', mode: 0o644, ...owner }).gid).toBe(1)
  })

  it('[FS-1] attributes of an open file without a name live and end with it', () => {
    const { store } = fixture
    const ino = fixture.put('a', 'x')
    store.open(ino)
    store.unlink(1, 'a')
    const entries = store.status().journal.entries
    store.setxattr(ino, 'user.k', Buffer.from('v'))
    expect(store.getxattr(ino, 'user.k')).toEqual(Buffer.from('v'))
    expect(store.removexattr(ino, 'user.k')).toBe(true)
    expect(store.listxattr(ino)).toEqual([])
    expect(store.status().journal.entries).toBe(entries)
  })

  it('[FS-3] what POSIX refuses is refused with its code', () => {
    const { store } = fixture
    const file = fixture.put('a', '')
    const dir = fixture.mkdir('d')
    fixture.put('x', '', dir)
    const inner = fixture.mkdir('inner', dir)
    expect(codeOf(() => fixture.put('a', ''))).toBe('already_exists')
    expect(codeOf(() => store.unlink(1, 'none'))).toBe('not_found')
    expect(codeOf(() => store.unlink(1, 'd'))).toBe('is_directory')
    expect(codeOf(() => store.rmdir(1, 'a'))).toBe('not_a_directory')
    expect(codeOf(() => store.rmdir(1, 'd'))).toBe('not_empty')
    expect(codeOf(() => store.lookup(file, 'x'))).toBe('not_a_directory')
    expect(codeOf(() => store.rename(1, 'd', inner, 'd', 'none'))).toBe('invalid_request')
    expect(codeOf(() => store.rename(1, 'a', 1, 'd', 'none'))).toBe('is_directory')
    expect(codeOf(() => store.rename(1, 'd', 1, 'a', 'none'))).toBe('not_a_directory')
    expect(codeOf(() => store.rename(1, 'd', 1, 'a', 'noreplace'))).toBe('already_exists')
    expect(codeOf(() => store.write(dir, 0, Buffer.from('x')))).toBe('is_directory')
    expect(codeOf(() => store.link(dir, 1, 'hard'))).toBe('is_directory')
    expect(codeOf(() => store.attributes(9_999_999))).toBe('stale')
  })

  it('[FS-6] a name of 255 bytes is kept exactly, one of 256 refused; dots, NUL and slashes are no names', () => {
    const longest = 'é'.repeat(127) + 'x'
    fixture.put(longest, 'kept')
    expect(fixture.textAt(longest)).toBe('kept')
    expect(codeOf(() => fixture.put(`${longest}y`, ''))).toBe('name_too_long')
    for (const name of ['.', '..', 'a/b', ''])
      expect(codeOf(() => fixture.put(name, ''))).toBe('invalid_path')
    const raw = `\0${Buffer.from([0xff, 0xfe]).toString('base64')}`
    fixture.put(raw, 'bytes')
    fixture.sync(service)
    expect(fixture.reopen().lookup(1, raw)?.size).toBe(5)
  })

  it('[FS-1] hard links share content, and the last name takes it away', () => {
    const { store } = fixture
    const ino = fixture.put('a', 'one')
    store.link(ino, 1, 'b')
    store.write(store.lookup(1, 'b')?.ino ?? 0, 3, Buffer.from(' two'))
    expect(fixture.textAt('a')).toBe('one two')
    expect(store.attributes(ino).links).toBe(2)
    store.unlink(1, 'a')
    expect(fixture.textAt('b')).toBe('one two')
    store.unlink(1, 'b')
    expect(codeOf(() => store.attributes(ino))).toBe('stale')
  })

  it('[FS-1] rename over, into another directory, exchange, and onto a second name of the same file', () => {
    const { store } = fixture
    const dir = fixture.mkdir('d')
    fixture.put('a', 'A')
    fixture.put('b', 'B')
    store.rename(1, 'a', dir, 'a', 'none')
    expect(fixture.textAt('d/a')).toBe('A')
    store.rename(dir, 'a', 1, 'b', 'exchange')
    expect([fixture.textAt('d/a'), fixture.textAt('b')]).toEqual(['B', 'A'])
    store.link(store.lookup(1, 'b')?.ino ?? 0, 1, 'c')
    store.rename(1, 'b', 1, 'c', 'none')
    expect(store.list(1).map(({ name }) => name)).toEqual(['d', 'b', 'c'])
  })

  it('[FS-1] symlinks and extended attributes', () => {
    const { store } = fixture
    const link = store.symlink(1, 'l', '../target', { uid: 7, gid: 8 })
    expect(store.readlink(link.ino)).toBe('../target')
    expect(link).toMatchObject({ kind: 'symlink', uid: 7, gid: 8, size: 9 })
    const ino = fixture.put('a', '')
    store.setxattr(ino, 'user.k', Buffer.from('v'))
    expect(codeOf(() => store.setxattr(ino, 'user.k', Buffer.from('w'), 'create'))).toBe('already_exists')
    store.setxattr(ino, 'user.large', Buffer.alloc(65_536))
    expect(codeOf(() => store.setxattr(ino, 'user.larger', Buffer.alloc(65_536)))).toBe('attributes_full')
    expect(store.removexattr(ino, 'user.large')).toBe(true)
    expect(Buffer.from(store.getxattr(ino, 'user.k') ?? []).toString()).toBe('v')
    fixture.sync(service)
    fixture.reopen()
    expect(fixture.store.listxattr(ino)).toEqual(['user.k'])
    expect(fixture.store.removexattr(ino, 'user.k')).toBe(true)
    expect(fixture.store.removexattr(ino, 'user.k')).toBe(false)
  })
})

describe('contents', () => {
  it('[FS-1] holes read as zeros, and what was cut off does not come back', () => {
    const { store } = fixture
    const ino = fixture.put('a', '0123456789')
    fixture.sync(service)
    store.truncate(ino, 4)
    store.write(ino, 8, Buffer.from('X'))
    expect(fixture.text(ino)).toBe('0123\0\0\0\0X')
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('0123\0\0\0\0X')
    expect(fixture.text(ino)).toBe('0123\0\0\0\0X')
    store.truncate(ino, 2)
    store.truncate(ino, 5)
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('01\0\0\0')
  })

  it('[FS-1] an unlinked open file keeps its content, also through pushes, until the last handle closes', () => {
    const { store } = fixture
    const ino = fixture.put('a', 'kept')
    store.open(ino)
    store.open(ino)
    store.unlink(1, 'a')
    fixture.sync(service)
    expect(fixture.text(ino)).toBe('kept')
    store.write(ino, 4, Buffer.from(' still'))
    expect(fixture.text(ino)).toBe('kept still')
    expect(store.attributes(ino)).toMatchObject({ links: 0, size: 10 })
    store.release(ino)
    expect(fixture.text(ino)).toBe('kept still')
    store.release(ino)
    expect(codeOf(() => store.attributes(ino))).toBe('stale')
    fixture.sync(service)
    expect(service.contentAt('a')).toBeUndefined()
  })

  it('[SY-13] files of many small and large writes read back exactly, before and after the push', () => {
    const { store } = fixture
    const ino = fixture.put('big', '')
    const expected = Buffer.alloc(3_500_000)
    for (let at = 0; at < 2_000_000; at += 4_096) {
      const piece = Buffer.alloc(4_096, (at / 4_096) % 251)
      piece.copy(expected, at)
      store.write(ino, at, piece)
    }
    const large = Buffer.alloc(1_048_576, 9)
    large.copy(expected, 2_400_000)
    store.write(ino, 2_400_000, large)
    expected.fill(5, 100_000, 100_010)
    store.write(ino, 100_000, Buffer.alloc(10, 5))
    const size = 2_400_000 + 1_048_576
    const whole = (): Buffer => {
      const read = store.read(ino, 0, 2 ** 30)
      if (read.kind !== 'bytes') throw new Error('missing')
      return Buffer.from(read.bytes)
    }
    expect(whole().equals(expected.subarray(0, size))).toBe(true)
    fixture.sync(service)
    expect(whole().equals(expected.subarray(0, size))).toBe(true)
    const [row] = service.rows().filter(({ node }) => node.kind === 'file')
    expect(
      Buffer.from(service.contents.get(row?.node.version ?? '') ?? []).equals(expected.subarray(0, size)),
    ).toBe(true)
    store.write(ino, 1_048_576, Buffer.from('edit'))
    expected.write('edit', 1_048_576)
    fixture.sync(service)
    expect(whole().equals(expected.subarray(0, size))).toBe(true)
    fixture.reopen()
    expect(fixture.store.attributes(ino).size).toBe(size)
  })
})
