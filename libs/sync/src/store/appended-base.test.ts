import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { PushRequest } from '@agentfs/contracts'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { decode } from './row-codec.js'

let service: ReferenceService
let here: StoreFixture
let there: StoreFixture
let ino: number

beforeEach(() => {
  service = new ReferenceService()
  here = new StoreFixture()
  there = new StoreFixture()
  for (const fixture of [here, there]) fixture.snapshot(service)
  ino = here.put('log', 'base\n')
  here.sync(service)
  there.follow(service)
  append(there, 'theirs\n')
  there.sync(service)
})

afterEach(() => {
  here.remove()
  there.remove()
})

function append(side: StoreFixture, text: string): void {
  side.store.write(side.store.resolvePath(['log']) ?? 0, 0, Buffer.from(text), { append: true })
}

/** Everything that is at the service after both are idle, by content; both clients show the same. */
function settled(): string[] {
  for (const side of [here, there, here]) side.sync(service)
  const shown = (side: StoreFixture): string[] =>
    side.store
      .list(1)
      .map((entry) => side.text(entry.ino, service))
      .toSorted()
  expect(shown(here)).toEqual(shown(there))
  here.reopen()
  expect(shown(here)).toEqual(shown(there))
  return shown(there)
}

describe('a write into what was appended here, while somebody else appended first [CON-2]', () => {
  it.each([
    ['waits with the append', false],
    ['comes after the append was sent', true],
  ])('cuts nothing off, where it %s', (_title, sent) => {
    append(here, 'ours\n')
    if (sent) here.send(service)
    here.store.write(ino, 0, Buffer.from('BASE'))
    expect(here.text(ino)).toBe('BASE\nours\n')
    expect(settled()).toEqual(['BASE\nours\n', 'base\ntheirs\nours\n'])
  })

  it('keeps its own order with appends before and after it, holes and cuts', () => {
    append(here, 'ours\n')
    here.send(service)
    append(here, 'more\n')
    here.store.fsync(ino)
    here.store.punchHole(ino, 5, 2)
    here.store.write(ino, 12, Buffer.from('R'))
    here.store.truncate(ino, 14)
    const shown = 'base\n\0\0rs\nmoRe'
    expect(here.text(ino)).toBe(shown)
    expect(settled()).toEqual(['base\ntheirs\nours\nmore\n', shown].toSorted())
  })

  it('shows appends that follow it behind what came first', () => {
    append(here, 'ours\n')
    here.send(service)
    append(here, 'more\n')
    here.push(service)
    here.follow(service)
    expect(here.text(ino, service)).toBe('base\ntheirs\nours\nmore\n')
    expect(settled()).toEqual(['base\ntheirs\nours\nmore\n'])
  })
})

describe('a save by rename of what was appended to', () => {
  it('waits for what the append makes of the file, which the service has no sooner', () => {
    here.put('new', 'new\n')
    here.sync(service)
    here.store.write(here.store.resolvePath(['new']) ?? 0, 0, Buffer.from('more\n'), { append: true })
    here.store.rename(1, 'new', 1, 'log', 'none')
    const sent: string[][] = []
    for (let push = here.store.freezePush(LIMITS); push !== null; push = here.store.freezePush(LIMITS)) {
      sent.push((decode(push.bytes) as PushRequest).operations.map(({ op }) => op))
      here.push(service)
    }
    expect(sent).toEqual([['append'], ['replace']])
    expect(settled()).toEqual(['new\nmore\n'])
  })
})
