import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { DatabaseSync } from 'node:sqlite'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { LocalStore } from './local-store.js'
import { Sealer } from './sealer.js'
import { isStoreError, StoreError } from './store-error.js'

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => {
  try {
    fixture.store.close()
  } catch {
    // Closed by the test.
  }
  rmSync(fixture.folder, { recursive: true, force: true })
})

function open(): LocalStore {
  return LocalStore.open({ path: fixture.folder, agent: 'agent-1' })
}

function reopenWithRoom(): void {
  fixture.store.close()
  fixture = new StoreFixture({ path: fixture.folder })
}

/** Leaves room for rows, and none for files: whatever number a blob gets, nothing can be written to its file. */
function fillDisk(): string {
  const blobs = join(fixture.folder, 'blobs')
  for (let id = 1; id < 1_000; id++) symlinkSync('/dev/full', join(blobs, String(id)))
  return blobs
}

function storeErrorOf(work: () => unknown): StoreError {
  try {
    work()
  } catch (error) {
    if (isStoreError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('one process per store', () => {
  it('a second opening is refused and names the process that has it', () => {
    const error = storeErrorOf(open)
    expect(error.code).toBe('store_locked')
    expect(error.message).toContain(`pid ${process.pid}`)
    fixture.store.close()
    fixture.store = open()
  })
})

describe('what is persisted [ENC-1]', () => {
  it('neither names nor contents are readable in any file, and the key is for the owner alone', () => {
    const ino = fixture.put('secret-name.md', 'secret-content')
    fixture.store.write(ino, 100, Buffer.alloc(200_000, 'large-secret'))
    fixture.store.freezePush(LIMITS)
    fixture.put('another-name', 'more-secrets')
    fixture.sync(service)
    fixture.store.syncToDisk()
    const files = readdirSync(fixture.folder, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    )
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) {
      const bytes = readFileSync(join(file.parentPath, file.name))
      for (const text of ['secret', 'another-name']) expect(bytes.includes(text)).toBe(false)
    }
    expect(statSync(join(fixture.folder, 'store.key')).mode & 0o777).toBe(0o600)
  })
})

describe('what cannot be read [DUR-7]', () => {
  const damaged = (damage: (database: DatabaseSync) => void): StoreError => {
    fixture.put('a', 'journaled')
    fixture.store.close()
    const database = new DatabaseSync(join(fixture.folder, 'store.db'))
    damage(database)
    database.close()
    return storeErrorOf(open)
  }

  it('a flipped journal row is refused', () => {
    const error = damaged((database) => {
      database.exec(
        'update journal set sealed = zeroblob(length(sealed)) where seq = (select max(seq) from journal)',
      )
    })
    expect(error.code).toBe('store_unreadable')
    expect(error.message).toContain('journal')
  })

  it('journal rows that were swapped are refused', () => {
    expect(
      damaged((database) => {
        database.exec(
          'update journal set sealed = (select sealed from journal o where o.seq = 3 - journal.seq) where seq in (1, 2)',
        )
      }).code,
    ).toBe('store_unreadable')
  })

  it('a database that is no database is refused', () => {
    fixture.store.close()
    writeFileSync(
      join(fixture.folder, 'store.db'),
      'this is no database at all, but it is long enough to be read',
    )
    expect(storeErrorOf(open).code).toBe('store_unreadable')
  })

  it('a store whose key is gone is refused, not begun anew', () => {
    fixture.store.close()
    unlinkSync(join(fixture.folder, 'store.key'))
    expect(storeErrorOf(open).message).toContain('store.key')
  })

  it('a cached block whose file the disk lost, the power having gone, is fetched anew', () => {
    const content = 'x'.repeat(3_000_000)
    const ino = fixture.put('a', content)
    fixture.sync(service)
    fixture.store.setStored(service.head)
    fixture.store.close()
    const files = readdirSync(join(fixture.folder, 'blobs')).map((name) =>
      join(fixture.folder, 'blobs', name),
    )
    expect(files).toHaveLength(3)
    for (const file of files.slice(0, 2)) truncateSync(file, 0)
    fixture = new StoreFixture({ path: fixture.folder })
    const { cacheBytes } = fixture.store.status()
    expect(fixture.text(ino, service) === content).toBe(true)
    expect(fixture.store.status().cacheBytes).toBe(cacheBytes)
    fixture.reopen()
    expect(fixture.text(ino) === content).toBe(true)
  })

  it('a store whose key could not be written, the disk being full say, is opened once it can be', () => {
    const path = join(fixture.folder, 'another')
    mkdirSync(join(path, 'store.key'), { recursive: true })
    expect(() => LocalStore.open({ path, agent: 'agent-1' })).toThrow(/EISDIR/)
    rmdirSync(join(path, 'store.key'))
    LocalStore.open({ path, agent: 'agent-1' }).close()
    LocalStore.open({ path, agent: 'agent-1' }).close()
  })

  it('a store of another layout is refused', () => {
    expect(damaged((database) => database.exec('pragma user_version = 99')).message).toContain('layout 99')
  })

  it('a store of another agent is refused', () => {
    fixture.store.close()
    expect(storeErrorOf(() => LocalStore.open({ path: fixture.folder, agent: 'other' })).code).toBe(
      'store_unreadable',
    )
  })
})

describe('bounds', () => {
  it('[VIS-4] a journal at its bound takes no more bytes, still removes, and goes on after a push', () => {
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, journalBytesMax: 20_000 })
    const ino = fixture.put('a', '')
    fixture.store.write(ino, 0, Buffer.alloc(15_000))
    expect(storeErrorOf(() => fixture.store.write(ino, 15_000, Buffer.alloc(15_000))).code).toBe(
      'journal_full',
    )
    expect(fixture.store.attributes(ino).size).toBe(15_000)
    fixture.put('b', '')
    fixture.store.unlink(1, 'b')
    fixture.sync(service)
    fixture.store.write(ino, 15_000, Buffer.alloc(15_000))
  })

  it('a full disk is a clean error: nothing of the call is there, everything else is, now and after a restart', () => {
    const ino = fixture.put('a', 'before')
    fixture.sync(service)
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, databaseBytesMax: 160_000 })
    let written = 0
    const error = storeErrorOf(() => {
      for (;;) {
        fixture.put(`f${written}`, 'x'.repeat(5_000))
        written++
      }
    })
    expect(error.code).toBe('disk_full')
    expect(written).toBeGreaterThan(0)
    const shown = fixture.store.list(1).map(({ name }) => `${name} ${fixture.textAt(name)?.length}`)
    reopenWithRoom()
    expect(fixture.store.list(1).map(({ name }) => `${name} ${fixture.textAt(name)?.length}`)).toEqual(shown)
    expect(fixture.text(ino)).toBe('before')
    fixture.sync(service)
    expect(fixture.store.status().journal.entries).toBe(0)
  })

  it('a full disk leaves no part of a large write behind, which would take the room that is left', () => {
    const ino = fixture.put('a', '')
    const blobs = fillDisk()
    const files = readdirSync(blobs).length
    for (let round = 0; round < 3; round++)
      expect(storeErrorOf(() => fixture.store.write(ino, 0, Buffer.alloc(200_000))).code).toBe('disk_full')
    expect(readdirSync(blobs)).toHaveLength(files - 3)
    expect(fixture.store.attributes(ino).size).toBe(0)
  })

  it('a full disk fails no write that it had room for, because of what is tidied up with it', () => {
    const ino = fixture.put('a', '')
    fillDisk()
    const written = Buffer.alloc(300 * 4_096, 'w')
    for (let at = 0; at < written.length; at += 4_096)
      fixture.store.write(ino, 0, written.subarray(at, at + 4_096), { append: true })
    expect(fixture.text(ino) === written.toString()).toBe(true)
    fixture.reopen()
    expect(fixture.text(ino) === written.toString()).toBe(true)
  })

  it('a full disk in the middle of a save by backup leaves each name with its own file', () => {
    let failures = 0
    for (let pad = 0; pad < 40; pad++) {
      const side = new StoreFixture()
      side.snapshot(service)
      side.put(`notes-${pad}`, 'old')
      side.sync(service)
      side.store.close()
      const small = new StoreFixture({ path: side.folder, databaseBytesMax: 131_072 })
      const { store } = small
      store.rename(1, `notes-${pad}`, 1, `notes-${pad}~`, 'none')
      small.put(`notes-${pad}`, 'new')
      storeErrorOf(() => {
        const target = 'x'.repeat(700 + 20 * pad)
        for (let link = 0; ; link++) store.symlink(1, `${link}`, target, { uid: 0, gid: 0 })
      })
      const names = [`notes-${pad}`, `notes-${pad}~`]
      const before = names.map((name) => store.lookup(1, name)?.ino ?? 0)
      try {
        store.unlink(1, `notes-${pad}~`)
      } catch (error) {
        if (!isStoreError(error, 'disk_full')) throw error
        failures++
        expect(names.map((name) => store.lookup(1, name)?.ino)).toEqual(before)
        expect(before.map((ino) => small.text(ino))).toEqual(['new', 'old'])
      }
      small.remove()
    }
    expect(failures).toBeGreaterThan(0)
  })

  it('a full disk that has no room for dropping what is cached fails nothing that is done', () => {
    fixture.store.close()
    const database = new DatabaseSync(join(fixture.folder, 'store.db'))
    // Dropping takes more room than there is.
    database.exec(`create trigger dropping before delete on cache begin
      insert into aliases values ('room', hex(zeroblob(8000000))); end`)
    database.close()
    fixture = new StoreFixture({
      path: fixture.folder,
      databaseBytesMax: 4_000_000,
      cacheBytesMax: 10_000,
    })
    let settled = 0
    fixture.store.listen(({ kind }) => void (kind === 'settled' && settled++))
    const ino = fixture.put('a', 'x'.repeat(30_000))
    expect(fixture.push(service)).toBe(true)
    expect([settled, fixture.store.status().journal.entries]).toEqual([1, 0])
    // Stored now, it need not be kept any more.
    fixture.store.setStored(service.head)
    expect(fixture.store.status()).toMatchObject({ stored: service.head, cacheBytes: 30_000 })
    expect(fixture.text(ino)).toHaveLength(30_000)
  })

  it('a full disk while a remote change is folded leaves the store where it was', () => {
    const other = new StoreFixture()
    other.snapshot(service)
    for (let file = 0; file < 300; file++) other.put(`file-${file}-${'n'.repeat(200)}`, '')
    other.sync(service)
    fixture.put('mine', 'mine')
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, databaseBytesMax: 140_000 })
    expect(storeErrorOf(() => fixture.follow(service)).code).toBe('disk_full')
    expect(fixture.store.list(1).map(({ name }) => name)).toEqual(['mine'])
    expect(fixture.textAt('mine')).toBe('mine')
    reopenWithRoom()
    fixture.sync(service)
    expect(fixture.store.list(1)).toHaveLength(301)
    other.remove()
  })

  it('a full disk keeps nobody from reading: what it has no room for is shown and not kept', () => {
    const other = new StoreFixture()
    other.snapshot(service)
    for (let file = 0; file < 60; file++) other.put(`f${file}`, `${file}`.padEnd(5_000, '.'))
    other.sync(service)
    fixture.follow(service)
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, databaseBytesMax: 160_000 })
    for (let file = 0; file < 60; file++) {
      expect(fixture.textAt(`f${file}`, service)).toBe(`${file}`.padEnd(5_000, '.'))
    }
    expect(fixture.store.status().cacheBytes).toBeLessThan(160_000)
    other.remove()
  })

  it('the cache stays within its budget; what the journal stands on, or is not stored yet, is not evicted', () => {
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, cacheBytesMax: 50_000 })
    for (let file = 0; file < 20; file++) fixture.put(`f${file}`, `${file}`.padEnd(5_000, '.'))
    fixture.sync(service)
    fixture.store.maintain()
    expect(fixture.store.status().cacheBytes).toBe(100_000)
    fixture.store.write(fixture.store.resolvePath(['f0']) ?? 0, 0, Buffer.from('edit'))
    fixture.store.setStored(service.head)
    expect(fixture.store.status().cacheBytes).toBeLessThanOrEqual(50_000)
    expect(fixture.textAt('f0')?.slice(0, 6)).toBe('edit..')
    expect(fixture.textAt('f19', service)?.slice(0, 3)).toBe('19.')
  })

  it('[SY-4] what is not stored yet is not evicted, under the name that a save by rename gave it neither', () => {
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, cacheBytesMax: 50_000 })
    for (let file = 0; file < 20; file++) fixture.put(`f${file}`, 'old')
    fixture.sync(service)
    fixture.store.setStored(service.head)
    for (let file = 0; file < 20; file++) fixture.put(`new${file}`, `${file}`.padEnd(5_000, '.'))
    fixture.sync(service)
    for (let file = 0; file < 20; file++) fixture.store.rename(1, `new${file}`, 1, `f${file}`, 'none')
    fixture.sync(service)
    for (let file = 20; file < 40; file++) fixture.put(`f${file}`, ''.padEnd(5_000, '.'))
    fixture.sync(service)
    for (let file = 0; file < 20; file++)
      expect(fixture.textAt(`f${file}`)).toBe(`${file}`.padEnd(5_000, '.'))
    fixture.store.setStored(service.head)
    expect(fixture.store.status().cacheBytes).toBeLessThanOrEqual(50_000)
  })

  it('[SY-4] what is not stored yet is not evicted, in a conflict copy of it neither', () => {
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, cacheBytesMax: 1_000_000 })
    const other = new StoreFixture()
    other.snapshot(service)
    const text = 'mine'.padEnd(2_000_000, '.')
    const ino = fixture.put('f', text)
    fixture.sync(service)
    other.follow(service)
    const theirs = other.store.resolvePath(['f']) ?? 0
    other.store.truncate(theirs, 0)
    other.store.write(theirs, 0, Buffer.from('theirs'))
    other.sync(service)
    fixture.store.write(ino, 1_500_000, Buffer.from('edit'))
    fixture.sync(service)
    const names = fixture.store.list(1).map(({ name }) => name)
    expect(names).toHaveLength(2)
    const copy = names.find((name) => name !== 'f') ?? ''
    expect(fixture.textAt(copy)).toBe(`${text.slice(0, 1_500_000)}edit${text.slice(1_500_004)}`)
    other.remove()
  })

  it('[SY-4] what is not stored yet is not evicted, where what was appended came to lie behind more neither', () => {
    fixture.store.close()
    fixture = new StoreFixture({ path: fixture.folder, cacheBytesMax: 1_000_000 })
    const other = new StoreFixture()
    other.snapshot(service)
    const ino = fixture.put('log', 'base\n')
    fixture.sync(service)
    fixture.store.setStored(service.head)
    other.follow(service)
    const theirs = Buffer.alloc(2_500_000, '.')
    other.store.write(other.store.resolvePath(['log']) ?? 0, 0, theirs, { append: true })
    other.sync(service)
    fixture.store.write(ino, 0, Buffer.from('ours\n'), { append: true })
    fixture.sync(service)
    const tail = () => fixture.store.read(ino, 2_500_005, 5)
    const missing = tail()
    for (const at of missing.kind === 'missing' ? missing.blocks : [])
      fixture.store.provide(at, service.block(at.version, at.block))
    for (let file = 0; file < 3; file++) fixture.put(`f${file}`, ''.padEnd(400_000, '.'))
    fixture.sync(service)
    expect(tail()).toEqual({ kind: 'bytes', bytes: new Uint8Array(Buffer.from('ours\n')) })
    other.remove()
  })
})

describe('inode numbers', () => {
  it('are never used again, not after a restart either', () => {
    const seen = new Set<number>()
    for (let round = 0; round < 3; round++) {
      for (let file = 0; file < 5; file++) {
        const ino = fixture.put(`f${file}`, '')
        expect(seen.has(ino)).toBe(false)
        seen.add(ino)
        fixture.store.unlink(1, `f${file}`)
      }
      fixture.sync(service)
      fixture.reopen()
    }
  })
})

describe('sealing', () => {
  it('a row opens only as the row it was sealed for', () => {
    const sealer = new Sealer(Buffer.alloc(32, 1))
    const sealed = sealer.seal('journal', 7, Buffer.from('row'))
    expect(sealer.open('journal', 7, sealed).toString()).toBe('row')
    expect(() => sealer.open('journal', 8, sealed)).toThrow(StoreError)
    expect(() => sealer.open('tree', 7, sealed)).toThrow(StoreError)
    expect(() => new Sealer(Buffer.alloc(32, 2)).open('journal', 7, sealed)).toThrow(StoreError)
    expect(() => sealer.open('journal', 7, sealed.subarray(0, 10))).toThrow(StoreError)
  })
})
