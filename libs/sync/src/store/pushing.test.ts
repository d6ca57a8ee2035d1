import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { PUSH_BYTES_MAX, type Operation, type PushRequest } from '@agentfs/contracts'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { decode } from './row-codec.js'

let service: ReferenceService
let fixture: StoreFixture

beforeEach(() => {
  service = new ReferenceService()
  fixture = new StoreFixture()
  fixture.snapshot(service)
})

afterEach(() => fixture.remove())

function frozenOperations(): Operation[] {
  const push = fixture.store.freezePush(LIMITS)
  return push === null ? [] : (decode(push.bytes) as PushRequest).operations
}

function kinds(): string[] {
  return frozenOperations().map(({ op }) => op)
}

describe('coalescing [SY-14]', () => {
  it('later writes swallow earlier ones, attributes go into what they follow', () => {
    const ino = fixture.put('a', 'one')
    fixture.store.write(ino, 3, Buffer.from(' two'))
    fixture.store.write(ino, 0, Buffer.from('ONE'))
    fixture.store.setAttributes(ino, { mode: 0o600 })
    fixture.store.setAttributes(ino, { uid: 5, mtime: [12, 34] })
    const operations = frozenOperations()
    expect(operations.map(({ op }) => op)).toEqual(['create', 'write'])
    expect(operations[0]).toMatchObject({ mode: 0o600, uid: 5 })
    expect(operations[1]).toMatchObject({ mtime: [12, 34], size: 7 })
    fixture.push(service)
    expect(service.contentAt('a')).toBe('ONE two')
    expect(fixture.store.attributes(ino)).toMatchObject({ mode: 0o600, uid: 5, mtime: [12, 34] })
  })

  it('what was created and removed again vanishes, with what was inside', () => {
    const dir = fixture.mkdir('d')
    fixture.put('x', 'temporary', dir)
    fixture.store.unlink(dir, 'x')
    fixture.store.rmdir(1, 'd')
    expect(fixture.store.freezePush(LIMITS)).toBeNull()
    expect(fixture.store.status().journal.entries).toBe(0)
    expect(fixture.store.list(1)).toEqual([])
  })

  it('rename chains fold into the creation and into one rename', () => {
    fixture.put('a', 'text')
    fixture.store.rename(1, 'a', 1, 'b', 'none')
    fixture.store.rename(1, 'b', 1, 'c', 'none')
    expect(kinds()).toEqual(['create', 'write'])
    fixture.sync(service)
    expect(service.contentAt('c')).toBe('text')
    fixture.store.rename(1, 'c', 1, 'd', 'none')
    fixture.store.rename(1, 'd', 1, 'e', 'none')
    expect(kinds()).toEqual(['rename'])
    fixture.sync(service)
    fixture.store.rename(1, 'e', 1, 'f', 'none')
    fixture.store.rename(1, 'f', 1, 'e', 'none')
    expect(kinds()).toEqual([])
    expect(service.contentAt('e')).toBe('text')
  })

  it('an fsync is a barrier: what came before is sent as it was, before what came after', () => {
    const ino = fixture.put('a', 'one')
    fixture.store.fsync(ino)
    fixture.store.write(ino, 0, Buffer.from('two'))
    fixture.put('b', '')
    expect(kinds()).toEqual(['create', 'write', 'write', 'create'])
  })

  it('[SY-8] a push that was frozen is never coalesced again and resent identically, after a restart too', () => {
    const ino = fixture.put('a', 'one')
    const first = fixture.store.freezePush(LIMITS)
    fixture.store.write(ino, 0, Buffer.from('two'))
    fixture.store.unlink(1, 'a')
    const again = fixture.reopen().freezePush(LIMITS)
    expect(Buffer.from(again?.bytes ?? []).equals(Buffer.from(first?.bytes ?? [1]))).toBe(true)
    expect(again?.digest).toBe(
      createHash('sha256')
        .update(first?.bytes ?? '')
        .digest('hex'),
    )
    fixture.push(service)
    expect(service.contentAt('a')).toBe('one')
    const next = decode(fixture.store.freezePush(LIMITS)?.bytes ?? new Uint8Array()) as PushRequest
    expect(next).toMatchObject({ number: 2, previous: first?.digest })
    fixture.sync(service)
    expect(service.contentAt('a')).toBeUndefined()
  })

  it('[SY-8] what is written after a push was frozen goes with the next one, and is not lost with the answer', () => {
    const ino = fixture.put('a', 'one')
    fixture.store.freezePush(LIMITS)
    fixture.store.write(ino, 0, Buffer.from('two'))
    fixture.push(service)
    expect(service.contentAt('a')).toBe('one')
    fixture.sync(service)
    expect(service.contentAt('a')).toBe('two')
  })
})

describe('save by rename [SY-11]', () => {
  const node = (): string => fixture.store.nodeId(fixture.store.resolvePath(['notes.md']) ?? 0)

  it('tmp, rename over: one replace, the id stays, the path shows the inode of tmp, the old handle is an orphan', () => {
    const old = fixture.put('notes.md', 'old')
    fixture.sync(service)
    const id = node()
    fixture.store.open(old)
    const tmp = fixture.put('notes.md.tmp', 'new')
    fixture.store.fsync(tmp)
    fixture.store.open(tmp)
    fixture.store.rename(1, 'notes.md.tmp', 1, 'notes.md', 'none')
    expect(fixture.store.lookup(1, 'notes.md')?.ino).toBe(tmp)
    expect(fixture.text(old)).toBe('old')
    fixture.store.write(tmp, 3, Buffer.from('er'))
    expect(fixture.textAt('notes.md')).toBe('newer')
    expect(kinds()).toEqual(['replace', 'write'])
    fixture.sync(service)
    expect(node()).toBe(id)
    expect(service.contentAt('notes.md')).toBe('newer')
    expect(fixture.textAt('notes.md')).toBe('newer')
    expect(fixture.reopen().lookup(1, 'notes.md')?.ino).toBe(tmp)
  })

  it.each([
    ['in one push', false],
    ['with a push between any two steps', true],
  ])('vim with a backup keeps one id over ten saves, %s', (_title, pushing) => {
    fixture.put('notes.md', 'version 0')
    fixture.sync(service)
    const id = node()
    const step = (): void => {
      if (pushing) fixture.sync(service)
    }
    for (let save = 1; save <= 10; save++) {
      const probe = fixture.put('4913', '')
      fixture.store.setAttributes(probe, { uid: 0 })
      fixture.store.unlink(1, '4913')
      step()
      fixture.store.rename(1, 'notes.md', 1, 'notes.md~', 'none')
      step()
      const written = fixture.put('notes.md', `version ${save}`)
      step()
      fixture.store.fsync(written)
      fixture.store.setAttributes(written, { mode: 0o644 })
      step()
      fixture.store.unlink(1, 'notes.md~')
      step()
      expect(fixture.store.lookup(1, 'notes.md')?.ino).toBe(written)
      if (!pushing) expect(kinds()).toEqual(['replace'])
      fixture.sync(service)
      expect(node()).toBe(id)
      expect(service.contentAt('notes.md')).toBe(`version ${save}`)
      expect(service.contentAt('notes.md~')).toBeUndefined()
      expect(fixture.textAt('notes.md')).toBe(`version ${save}`)
    }
    expect(fixture.store.list(1)).toHaveLength(1)
    const versions = service.commits
      .flatMap(({ delta }) => delta.versions)
      .filter((version) => version.node === id)
    expect(versions.length).toBeGreaterThanOrEqual(11)
    expect(fixture.rejected).toEqual([])
  })

  it('a backup that is kept stays the old file', () => {
    fixture.put('notes.md', 'old')
    fixture.sync(service)
    const id = node()
    fixture.store.rename(1, 'notes.md', 1, 'notes.md~', 'none')
    fixture.put('notes.md', 'new')
    fixture.sync(service)
    expect(fixture.store.nodeId(fixture.store.resolvePath(['notes.md~']) ?? 0)).toBe(id)
    expect(service.contentAt('notes.md')).toBe('new')
  })
})

describe('refusals [SY-7]', () => {
  it.each([
    ['in one push', false],
    ['over several pushes', true],
  ])(
    'create tmp, write tmp (refused), rename over notes.md: notes.md keeps its old content, %s',
    (_title, several) => {
      fixture.put('notes.md', 'old')
      fixture.sync(service)
      service.veto = (operation) =>
        operation.op === 'write' || operation.op === 'replace' ? 'quota_exceeded' : undefined
      const tmp = fixture.put('tmp', 'new content')
      if (several) {
        fixture.store.freezePush(LIMITS)
        fixture.store.rename(1, 'tmp', 1, 'notes.md', 'none')
      } else fixture.store.rename(1, 'tmp', 1, 'notes.md', 'none')
      expect(fixture.text(tmp)).toBe('new content')
      fixture.sync(service)
      expect(service.contentAt('notes.md')).toBe('old')
      expect(fixture.textAt('notes.md')).toBe('old')
      // What is left of tmp, whose creation was taken, is a file of its own again.
      if (several) expect(fixture.textAt('tmp')).toBe('')
      const inodes = fixture.store.list(1).map(({ ino }) => ino)
      expect(new Set(inodes).size).toBe(inodes.length)
      expect(fixture.store.status().journal.entries).toBe(0)
      const items = fixture.store.rejectedItems()
      const [newest] = items
      expect(items.map(({ code }) => code)).toContain('quota_exceeded')
      expect(newest?.path).toBe('notes.md')
      expect(Buffer.from(fixture.store.readRejected(newest?.id ?? 0) ?? []).toString()).toBe('new content')
      fixture.reopen()
      for (const { id, size } of fixture.store.rejectedItems()) {
        if (size > 0) expect(fixture.store.readRejected(id)).toHaveLength(11)
        fixture.store.discardRejected(id)
      }
      expect(fixture.store.rejectedItems()).toEqual([])
      expect(fixture.store.treeHash()).toBe(serviceHash())
    },
  )

  it('[DUR-5] what waits in the journal and depends on a refused creation goes with it, the rest stays', () => {
    service.veto = (operation) => ('name' in operation && operation.name === 'no' ? 'forbidden' : undefined)
    const no = fixture.mkdir('no')
    fixture.store.freezePush(LIMITS)
    fixture.put('inside', 'lost', no)
    fixture.put('beside', 'kept')
    fixture.sync(service)
    expect(fixture.store.list(1).map(({ name }) => name)).toEqual(['beside'])
    expect(service.contentAt('beside')).toBe('kept')
    expect(fixture.store.rejectedItems().map(({ path, op }) => `${op} ${path}`)).toEqual([
      'write no/inside',
      'create no/inside',
      'create no',
    ])
  })

  it('what follows an fsync in the directory of a refused operation is refused with it', () => {
    fixture.put('journal', 'j')
    fixture.put('db', 'd')
    fixture.sync(service)
    service.veto = (operation) => (operation.op === 'write' ? 'quota_exceeded' : undefined)
    const journal = fixture.store.resolvePath(['journal']) ?? 0
    fixture.store.write(journal, 0, Buffer.from('J'))
    fixture.store.freezePush(LIMITS)
    fixture.store.fsync(journal)
    fixture.store.setAttributes(fixture.store.resolvePath(['db']) ?? 0, { mode: 0o600 })
    fixture.sync(service)
    expect(fixture.store.attributes(fixture.store.resolvePath(['db']) ?? 0).mode).toBe(0o644)
    expect(fixture.store.rejectedItems().map(({ op }) => op)).toEqual(['setattr', 'write'])
  })

  it('a push refused whole is rejected with its bytes, and the next one takes its number', () => {
    fixture.put('a', 'text')
    const push = fixture.store.freezePush(LIMITS)
    const outcome = fixture.store.rejectPush('invalid_request', 'no')
    expect(outcome).toMatchObject({ kind: 'settled' })
    expect(fixture.store.list(1)).toEqual([])
    expect(fixture.store.rejectedItems()).toHaveLength(2)
    fixture.put('b', 'text')
    expect(fixture.store.freezePush(LIMITS)?.number).toBe(push?.number)
    fixture.sync(service)
    expect(service.contentAt('b')).toBe('text')
  })
})

describe('parts [SY-13]', () => {
  it('content above 1 MiB goes in parts of dirty bytes only; a part that is missing goes again under a new id', () => {
    const ino = fixture.put('big', '')
    for (let block = 0; block < 3; block++)
      fixture.store.write(ino, block * 1_048_576, Buffer.alloc(1_048_576, block))
    const push = fixture.store.freezePush(LIMITS)
    expect(push?.parts.map(({ length }) => length)).toEqual([1_048_576, 1_048_576, 1_048_576])
    const answer = service.push(push?.bytes ?? new Uint8Array())
    expect(answer.results.map(({ status }) => status)).toEqual(['applied', 'parts_missing'])
    fixture.store.settlePush(answer)
    const again = fixture.store.freezePush(LIMITS)
    expect(again?.number).toBe(2)
    expect(again?.parts.map(({ part }) => part)).not.toEqual(push?.parts.map(({ part }) => part))
    fixture.sync(service)
    const sent = service.parts.size
    fixture.store.write(ino, 1_500_000, Buffer.alloc(100, 9))
    fixture.sync(service)
    expect(service.parts.size).toBe(sent)
    expect(fixture.store.treeHash()).toBe(serviceHash())
  })

  it('a file cut and grown far beyond is zeros where its base was, and sends none of them', () => {
    const ino = fixture.put('big', '')
    for (let block = 0; block < 4; block++)
      fixture.store.write(ino, block * 1_048_576, Buffer.alloc(1_048_576, 7))
    fixture.sync(service)
    fixture.store.truncate(ino, 10)
    fixture.store.truncate(ino, 4 * 1_048_576)
    const push = fixture.store.freezePush(LIMITS)
    expect(push?.parts).toHaveLength(0)
    expect(push?.bytes.length).toBeLessThan(1_000)
    fixture.sync(service)
    const content = service.contents.get(fixture.store.versionOf(ino) ?? '') ?? new Uint8Array()
    expect(content.length).toBe(4 * 1_048_576)
    expect(content.findLastIndex((byte) => byte !== 0)).toBe(9)
  })
})

function serviceHash(): string {
  const other = new StoreFixture()
  other.snapshot(service)
  const hash = other.store.treeHash()
  other.remove()
  return hash
}

describe('the size of a push', () => {
  /** Sends all that waits; the bodies of the pushes. */
  function bodies(): PushRequest[] {
    const sent: PushRequest[] = []
    for (;;) {
      const push = fixture.store.freezePush(LIMITS)
      if (push === null) return sent
      expect(push.bytes.length).toBeLessThanOrEqual(PUSH_BYTES_MAX)
      sent.push(decode(push.bytes) as PushRequest)
      fixture.push(service)
    }
  }

  it('counts extended attributes, which count in the journal too', () => {
    const value = Buffer.alloc(65_536, 'v')
    const { bytes } = fixture.store.status().journal
    for (let file = 0; file < 300; file++)
      fixture.store.setxattr(fixture.put(`f${file}`, ''), 'user.x', value)
    expect(fixture.store.status().journal.bytes - bytes).toBeGreaterThan(300 * value.length)
    expect(bodies().length).toBeGreaterThan(1)
    expect(fixture.rejected).toEqual([])
    expect(fixture.store.status().journal).toMatchObject({ entries: 0, bytes: 0 })
  })

  it.each([
    ['a file', false],
    ['a save by rename', true],
  ])('does not grow with how scattered the writes into %s are', (_title, saved) => {
    const expected = Buffer.alloc(20_000)
    if (saved) fixture.put('a', 'old')
    fixture.sync(service)
    const ino = fixture.put(saved ? 'tmp' : 'a', '')
    for (let at = 0; at < expected.length; at += 2) {
      expected[at] = 1 + (at % 255)
      fixture.store.write(ino, at, expected.subarray(at, at + 1))
    }
    if (saved) fixture.store.rename(1, 'tmp', 1, 'a', 'none')
    const shown = expected.subarray(0, -1)
    const operations = bodies().flatMap((body) => body.operations)
    for (const operation of operations) {
      if (operation.op === 'write') expect(operation.extents.length).toBeLessThanOrEqual(8_192)
      else if (operation.op === 'replace') expect('extents' in operation.content).toBe(false)
    }
    expect(Buffer.from(service.contents.get(fixture.store.versionOf(ino) ?? '') ?? []).equals(shown)).toBe(
      true,
    )
  })
})
