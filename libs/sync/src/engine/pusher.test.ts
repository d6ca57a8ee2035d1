import { readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { AgentfsError, HTTP_STATUS } from '@agentfs/contracts'
import { AgentfsClient, packMessage } from '@agentfs/sdk'
import { directStore } from '../bridge/direct-store.js'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'
import type { AsyncStore } from './async-store.js'
import { pause } from './backoff.js'
import { Follower } from './follower.js'
import { Pusher } from './pusher.js'

let service: ReferenceService
let here: StoreFixture
let pusher: Pusher | undefined
/** What the line does to requests that the service would take; null lets them through. */
let fault: ((path: string) => Error | undefined) | null
let asked: string[]

beforeEach(() => {
  service = new ReferenceService()
  here = new StoreFixture()
  here.snapshot(service)
  fault = null
  asked = []
})
afterEach(async () => {
  await pusher?.close()
  pusher = undefined
  here.remove()
})

/** The reference service as fetch reaches it. */
async function line(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const { pathname, searchParams } = new URL(input instanceof Request ? input.url : input)
  const route = pathname.split('/').at(-1) ?? ''
  asked.push(route)
  const failure = fault?.(route)
  if (failure !== undefined && !(failure instanceof AgentfsError)) throw failure
  try {
    if (failure !== undefined) throw failure
    return new Response(packMessage(answer(route, searchParams, init)))
  } catch (error) {
    if (!(error instanceof AgentfsError)) throw error
    return Response.json({ code: error.code, ...error.details }, { status: HTTP_STATUS[error.code] })
  }
}

function answer(route: string, query: URLSearchParams, init?: RequestInit): unknown {
  const { epoch, head } = service
  switch (route) {
    case 'sync':
      return service.push(init?.body as Uint8Array)
    case 'snapshot':
      return { epoch, seq0: head, root: service.root, rows: service.rows(), nextCursor: null }
    case 'changes':
      return { epoch, head, stored: 0, commits: service.since(Number(query.get('since'))) }
    default:
      throw new AgentfsError('not_found')
  }
}

function startPusher(
  store: AsyncStore = directStore(here.store),
  quiet: { quietMs: number; quietMaxMs: number } = { quietMs: 1, quietMaxMs: 5 },
): Pusher {
  const routes = new AgentfsClient({ url: 'http://127.0.0.1:1', fetch: line }).agent('a').sync
  const follower = new Follower({
    store,
    routes,
    listener: { onInvalidate: () => undefined, onProgress: () => undefined, onStored: () => undefined },
  })
  const made = new Pusher({
    store,
    routes,
    ...quiet,
    random: () => 0,
    onInvalidate: () => undefined,
    onRejected: () => undefined,
    onFailure: () => undefined,
    onReached: () => undefined,
    catchUpTo: (through) => follower.catchUpTo(through),
    snapshot: () => follower.snapshot(),
    afterPush: () => follower.afterPush(),
  })
  here.store.listen((event) => {
    if (event.kind === 'journaled') made.notice()
  })
  made.start()
  made.resume()
  pusher = made
  return made
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within 10 s`)
    await pause(5, new AbortController().signal)
  }
}

const pushed = (): boolean => here.store.status().journal.entries === 0
const failedLine = (): Error => new TypeError('fetch failed')

describe('pushing through failures [SY-15]', () => {
  it('goes on after a snapshot that it needed could not be taken at once', async () => {
    let failures = 3
    fault = (route) => {
      if (route === 'sync' && failures === 3) {
        failures--
        return new AgentfsError('epoch_changed', { epoch: 1 })
      }
      return route === 'snapshot' && failures-- > 0 ? failedLine() : undefined
    }
    here.put('a', 'one')
    startPusher().hurry()
    await until('the push', pushed)
    expect(service.contentAt('a')).toBe('one')
  })

  it('[DUR-5] refuses nothing that the service took, whatever fails while its answer is settled', async () => {
    const store = directStore(here.store)
    let failures = 1
    const failing: AsyncStore = {
      ...store,
      settlePush: (answered) =>
        failures-- > 0 ? Promise.reject(new AgentfsError('not_found')) : store.settlePush(answered),
    }
    here.put('a', 'one')
    startPusher(failing).hurry()
    await until('the push', pushed)
    expect(here.store.rejectedItems()).toEqual([])
    expect(here.textAt('a', service)).toBe('one')
    expect(service.commits).toHaveLength(1)
  })

  it.each([
    ['is gone', (file: string) => unlinkSync(file)],
    ['holds other bytes', (file: string) => writeFileSync(file, Buffer.alloc(200_028))],
  ])(
    '[DUR-7] rejects by name what it cannot read any more, and sends the rest: a file %s',
    async (_title, damage) => {
      here.put('lost', 'x'.repeat(200_000))
      here.put('beside', 'kept')
      const folder = join(here.folder, 'blobs')
      for (const name of readdirSync(folder)) damage(join(folder, name))
      startPusher().hurry()
      await until('the push', pushed)
      expect(here.store.rejectedItems().filter(({ size }) => size > 0)).toMatchObject([
        { path: 'lost', code: 'bytes_lost' },
      ])
      expect(service.contentAt('beside')).toBe('kept')
    },
  )

  it('[SY-14] cuts no save in two that begins just before an answer comes', async () => {
    const ino = here.put('a', 'one')
    const store = directStore(here.store)
    let saves = 0
    const saving: AsyncStore = {
      ...store,
      settlePush: async (answered) => {
        const settled = await store.settlePush(answered)
        if (saves++ === 0) {
          // As `> a` in a shell: truncated now, written a moment later.
          here.store.truncate(ino, 0)
          void pause(5, new AbortController().signal).then(() => {
            here.store.write(ino, 0, Buffer.from('two'))
          })
        }
        return settled
      },
    }
    startPusher(saving, { quietMs: 100, quietMaxMs: 1_000 }).hurry()
    await until('both pushes', () => saves === 2 && pushed())
    expect(service.contentAt('a')).toBe('two')
    expect(service.commits).toHaveLength(2)
  })

  it('[VIS-2] sends what stands behind operations that all vanish, however many they are', async () => {
    for (let round = 0; round < 700; round++) {
      here.put('lock', '')
      here.store.unlink(1, 'lock')
    }
    here.put('a', 'one')
    startPusher()
    await until('the push', pushed)
    expect(service.contentAt('a')).toBe('one')
    expect(service.commits).toHaveLength(1)
  })

  it('[SY-15] waits as long as the service asked for, though more is written meanwhile', async () => {
    fault = (route) => (route === 'sync' ? new AgentfsError('storage_backlogged') : undefined)
    here.put('a', 'one')
    startPusher().hurry()
    await until('the first try', () => asked.includes('sync'))
    for (let round = 0; round < 20; round++) {
      here.put(`b${round}`, 'more')
      await pause(5, new AbortController().signal)
    }
    expect(asked.filter((route) => route === 'sync').length).toBeLessThanOrEqual(4)
    fault = null
    await until('the push', pushed)
  })
})
