import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'

let service: ReferenceService
let here: StoreFixture
let there: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  here = new StoreFixture()
  there = new StoreFixture()
  here.snapshot(service)
  there.snapshot(service)
})

afterEach(() => {
  here.remove()
  there.remove()
})

/** Both idle: equal trees [SY-19]. */
function settle(): void {
  here.sync(service)
  there.sync(service)
  here.sync(service)
  expect(here.store.treeHash()).toBe(there.store.treeHash())
  here.invalidations.length = 0
  there.invalidations.length = 0
}

function ino(fixture: StoreFixture, path: string): number {
  const found = fixture.store.resolvePath(path.split('/'))
  if (found === undefined) throw new Error(`${path} does not exist`)
  return found
}

describe('applying [SY-17]', () => {
  it('a remote edit is shown and the kernel told: the content of the inode, nothing else', () => {
    here.put('a', 'one')
    settle()
    const seen = ino(there, 'a')
    here.store.write(ino(here, 'a'), 0, Buffer.from('two'))
    here.sync(service)
    there.follow(service)
    expect(there.textAt('a', service)).toBe('two')
    expect(there.invalidations).toEqual([{ kind: 'content', ino: seen }])
  })

  it('[SY-18] own operations that were applied invalidate nothing and change no attribute', () => {
    const dir = here.mkdir('d')
    const file = here.put('a', 'text', dir)
    here.store.rename(dir, 'a', 1, 'b', 'none')
    here.store.setAttributes(file, { mode: 0o600 })
    const before = [1, dir, file].map((inode) => here.store.attributes(inode))
    here.sync(service)
    expect(here.invalidations).toEqual([])
    expect([1, dir, file].map((inode) => here.store.attributes(inode))).toEqual(before)
  })

  it('remote creation, removal and rename invalidate names and listings', () => {
    here.put('a', 'x')
    here.mkdir('d')
    settle()
    const [a, d] = [ino(there, 'a'), ino(there, 'd')]
    here.store.rename(1, 'a', ino(here, 'd'), 'b', 'none')
    here.put('new', '')
    here.sync(service)
    there.follow(service)
    expect(there.invalidations).toEqual(
      expect.arrayContaining([
        { kind: 'entry', parentIno: 1, name: 'a' },
        { kind: 'entry', parentIno: d, name: 'b' },
        { kind: 'entry', parentIno: 1, name: 'new' },
        { kind: 'content', ino: 1 },
        { kind: 'content', ino: d },
      ]),
    )
    expect(there.store.resolvePath(['d', 'b'])).toBe(a)
  })

  it('an open file that is removed elsewhere keeps its content until it is closed', () => {
    here.put('a', 'kept')
    settle()
    const open = ino(there, 'a')
    expect(there.text(open, service)).toBe('kept')
    there.store.open(open)
    here.store.unlink(1, 'a')
    here.sync(service)
    there.follow(service)
    expect(there.store.lookup(1, 'a')).toBeUndefined()
    expect(there.text(open)).toBe('kept')
    there.store.release(open)
    expect(() => there.store.attributes(open)).toThrow('not known any more')
  })

  it('a held inode shows what the kernel holds until it is let go, then says what to forget', () => {
    here.put('a', 'one')
    settle()
    const held = ino(there, 'a')
    expect(there.text(held, service)).toBe('one')
    there.store.hold(held)
    here.store.write(ino(here, 'a'), 0, Buffer.from('twofold'))
    here.sync(service)
    there.follow(service)
    expect(there.invalidations).toEqual([])
    expect(there.text(held)).toBe('one')
    expect(there.store.attributes(held).size).toBe(3)
    expect(there.store.unhold(held)).toEqual([{ kind: 'content', ino: held }])
    expect(there.text(held, service)).toBe('twofold')
  })
})

describe('concurrent edits [CON-5]', () => {
  it('two edits from one base keep both texts, each whole, on both sides', () => {
    here.put('notes.md', 'base')
    settle()
    here.store.write(ino(here, 'notes.md'), 0, Buffer.from('here'))
    there.store.write(ino(there, 'notes.md'), 0, Buffer.from('there'))
    settle()
    for (const side of [here, there]) {
      expect(side.textAt('notes.md', service)).toBe('here')
      expect(side.textAt('notes.conflict-reference-1.md', service)).toBe('there')
      expect(side.store.status().conflicts).toBe(1)
    }
    here.store.unlink(1, 'notes.conflict-reference-1.md')
    expect(here.store.status().conflicts).toBe(0)
  })

  it('what is written on a version that became a conflict copy goes to the copy', () => {
    here.put('notes.md', 'base')
    settle()
    here.store.write(ino(here, 'notes.md'), 0, Buffer.from('here'))
    here.sync(service)
    const mine = ino(there, 'notes.md')
    there.store.write(mine, 0, Buffer.from('there'))
    there.store.freezePush({ operationsMax: 10, bytesMax: 1e6 })
    there.store.write(mine, 5, Buffer.from(' and more'))
    settle()
    expect(here.textAt('notes.md', service)).toBe('here')
    expect(here.textAt('notes.conflict-reference-1.md', service)).toBe('there and more')
    expect(here.store.list(1)).toHaveLength(2)
  })

  it('[CON-2] appends made apart are all there, and the local view shows them in the order of the service', () => {
    here.put('log', 'base\n')
    settle()
    here.store.write(ino(here, 'log'), 0, Buffer.from('here\n'), { append: true })
    there.store.write(ino(there, 'log'), 0, Buffer.from('there\n'), { append: true })
    expect(there.textAt('log', service)).toBe('base\nthere\n')
    settle()
    for (const side of [here, there]) expect(side.textAt('log', service)).toBe('base\nhere\nthere\n')
    expect(here.store.list(1)).toHaveLength(1)
  })

  it('[SY-12] one directory made on both sides is one, and what was made in it on both sides is in it', () => {
    here.put('a', 'A', here.mkdir('d'))
    there.put('b', 'B', there.mkdir('d'))
    settle()
    for (const side of [here, there]) {
      expect(
        side.store
          .list(ino(side, 'd'))
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(['a', 'b'])
    }
    expect(there.textAt('d/a', service)).toBe('A')
  })

  it('an edit journaled before a removal arrived brings the file back, with its directory', () => {
    here.put('a', 'old', here.mkdir('d'))
    settle()
    here.store.unlink(ino(here, 'd'), 'a')
    here.store.rmdir(1, 'd')
    there.store.write(ino(there, 'd/a'), 0, Buffer.from('new'))
    here.sync(service)
    there.follow(service)
    expect(there.textAt('d/a')).toBe('new')
    settle()
    expect(here.textAt('d/a', service)).toBe('new')
  })

  it('rename and edit commute', () => {
    here.put('a', 'old')
    settle()
    here.store.rename(1, 'a', 1, 'b', 'none')
    there.store.write(ino(there, 'a'), 0, Buffer.from('new'))
    settle()
    for (const side of [here, there]) expect(side.textAt('b', service)).toBe('new')
    expect(here.store.list(1)).toHaveLength(1)
  })
})

describe('snapshots', () => {
  it('[SY-2] rows read while commits happen fold to the head, the older image losing', () => {
    for (const name of ['a', 'b', 'c', 'd']) here.put(name, name)
    settle()
    const { store } = there
    store.beginSnapshot(service.epoch, service.head, service.root)
    const from = service.head
    const rows = service.rows()
    store.addSnapshotRows(rows.slice(0, 2))
    here.store.unlink(1, 'a')
    here.store.rename(1, 'b', 1, 'a', 'none')
    here.sync(service)
    here.put('b', 'again')
    here.store.unlink(1, 'd')
    here.sync(service)
    const read = new Set(rows.slice(0, 2).map(({ node }) => node.id))
    store.addSnapshotRows(service.rows().filter(({ node }) => !read.has(node.id)))
    store.addSnapshotCommits(service.since(from))
    store.finishSnapshot(service.head)
    expect(store.treeHash()).toBe(here.store.treeHash())
  })

  it('[VIS-5] a snapshot that a settled push has overtaken is refused: what was shown stays shown', () => {
    here.put('old', 'x')
    here.sync(service)
    const { store } = here
    const { epoch, head, root } = service
    store.beginSnapshot(epoch, head, root)
    store.addSnapshotRows(service.rows())
    here.put('new', 'y')
    here.sync(service)
    expect(() => store.finishSnapshot(head)).toThrow(/take another/)
    expect(here.textAt('new', service)).toBe('y')
  })

  it('[VIS-5] a snapshot keeps the journal, which lies on top; inode numbers stay', () => {
    const kept = here.put('a', 'one')
    settle()
    here.store.write(kept, 3, Buffer.from(' two'))
    here.put('mine', 'mine')
    there.put('theirs', 'theirs')
    there.sync(service)
    here.snapshot(service)
    expect(here.textAt('a')).toBe('one two')
    expect(ino(here, 'a')).toBe(kept)
    expect(
      here.store
        .list(1)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['a', 'mine', 'theirs'])
    settle()
    expect(there.textAt('a', service)).toBe('one two')
  })

  it('[SY-8] a push that was applied, but whose answer is lost in a snapshot, is settled by the same answer', () => {
    here.put('a', 'one')
    expect(here.send(service)).toBe(true)
    here.snapshot(service)
    expect(here.textAt('a', service)).toBe('one')
    settle()
    expect(here.store.status().journal.entries).toBe(0)
    expect(here.store.rejectedItems()).toEqual([])
    expect(service.commits).toHaveLength(1)
  })

  it('[SY-4] what was acknowledged and a new epoch lacks goes to the rejected area, readable', () => {
    here.put('kept', 'stored')
    here.sync(service)
    here.store.setStored(service.head)
    const rows = service.rows()
    here.put('lost', 'only here')
    here.sync(service)
    here.store.beginSnapshot(2, 1, service.root)
    here.store.addSnapshotRows(rows)
    here.store.finishSnapshot(1)
    expect(here.store.list(1).map(({ name }) => name)).toEqual(['kept'])
    const [item] = here.store.rejectedItems()
    expect(item).toMatchObject({ path: 'lost', code: 'epoch_changed', size: 9 })
    here.reopen()
    expect(Buffer.from(here.store.readRejected(item?.id ?? 0) ?? []).toString()).toBe('only here')
  })

  it('[SY-8] a copied store forks: unacknowledged work goes under a new store id, applied once', () => {
    here.put('a', 'one')
    here.store.freezePush({ operationsMax: 10, bytesMax: 1e6 })
    const before = here.store.status().store
    here.store.fork()
    expect(here.store.status()).toMatchObject({ pushInFlight: null, journal: { entries: 2 } })
    expect(here.store.status().store).not.toBe(before)
    expect(here.store.freezePush({ operationsMax: 10, bytesMax: 1e6 })?.number).toBe(1)
    settle()
    expect(there.textAt('a', service)).toBe('one')
  })
})

describe('the credential [SY-1]', () => {
  it('refused: cached contents go, nothing more is written, the journal stays for another key', () => {
    here.put('a', 'cached')
    settle()
    expect(there.textAt('a', service)).toBe('cached')
    there.put('mine', 'journaled')
    there.store.revoke()
    expect(there.store.status()).toMatchObject({ cacheBytes: 0, revoked: true, journal: { entries: 2 } })
    const read = there.store.read(ino(there, 'a'), 0, 10)
    if (read.kind !== 'missing') throw new Error('the cached content is still there')
    // What was on its way meanwhile arrives, and is not kept either.
    for (const block of read.blocks) there.store.provide(block, service.block(block.version, block.block))
    expect(there.store.status().cacheBytes).toBe(0)
    expect(() => there.put('more', '')).toThrow('refused')
    there.store.reinstate()
    settle()
    expect(here.textAt('mine', service)).toBe('journaled')
  })
})
