import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AgentfsError, type FeedFrame, HTTP_STATUS } from '@agentfs/contracts'
import { packMessage } from '@agentfs/sdk'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { WebSocketServer, type WebSocket } from 'ws'
import { directStore } from '../bridge/direct-store.js'
import { ReferenceService } from '../testing/reference-service.js'
import { StoreFixture } from '../testing/store-fixture.js'
import type { AsyncStore } from './async-store.js'
import { pause } from './backoff.js'
import { SyncEngine } from './sync-engine.js'

const never = new AbortController().signal

/** The reference service behind HTTP and a feed, as an engine reaches it. */
class Door {
  readonly service = new ReferenceService()
  readonly feeds: WebSocket[] = []
  readonly asked: string[] = []
  /** The epoch of what a flush stored. */
  flushedEpoch = 1
  /** What a route answers instead of what it would. */
  refusal: (route: string) => AgentfsError | undefined = () => undefined
  readonly #server: Server
  readonly #sockets = new WebSocketServer({ noServer: true })

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
    this.#server.on('upgrade', (request, socket, first) => {
      this.#sockets.handleUpgrade(request, socket, first, (feed) => {
        this.feeds.push(feed)
        const { epoch, head } = this.service
        const beats = setInterval(() => {
          feed.send(packMessage({ type: 'heartbeat', epoch, head, stored: 0, grantsVersion: 0 }))
        }, 500)
        feed.once('close', () => clearInterval(beats))
        this.say({
          type: 'hello',
          protocol: 1,
          epoch: this.service.epoch,
          head: this.service.head,
          stored: 0,
        })
      })
    })
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const feed of this.feeds) feed.terminate()
    this.#server.closeAllConnections()
    this.#server.close()
  }

  say(frame: FeedFrame): void {
    this.feeds.at(-1)?.send(packMessage(frame))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://door')
    const route = pathname.split('/').at(-1) ?? ''
    this.asked.push(route)
    try {
      const refusal = this.refusal(route)
      if (refusal !== undefined) throw refusal
      const answer = this.#answerOf(route, searchParams, Buffer.concat(chunks))
      const isJson = route === 'token' || route === 'flush'
      response.end(isJson ? JSON.stringify(answer) : packMessage(answer))
    } catch (error) {
      if (!(error instanceof AgentfsError)) throw error
      response.writeHead(HTTP_STATUS[error.code]).end(JSON.stringify({ code: error.code }))
    }
  }

  #answerOf(route: string, query: URLSearchParams, body: Buffer): unknown {
    const { epoch, head, root } = this.service
    switch (route) {
      case 'token':
        return {
          accessToken: `t${this.asked.length}`,
          expiresAt: new Date(Date.now() + 300_000).toISOString(),
        }
      case 'snapshot':
        return { epoch, seq0: head, root, rows: this.service.rows(), nextCursor: null }
      case 'changes':
        return { epoch, head, stored: 0, commits: this.service.since(Number(query.get('since'))) }
      case 'sync':
        return this.service.push(new Uint8Array(body))
      case 'flush':
        return { epoch: this.flushedEpoch, seq: head, stored: head, state: 'stored' }
      default:
        throw new AgentfsError('not_found')
    }
  }
}

let door: Door
let here: StoreFixture
let engine: SyncEngine | undefined

beforeEach(() => {
  door = new Door()
  here = new StoreFixture()
  here.snapshot(door.service)
})
afterEach(async () => {
  await engine?.close()
  engine = undefined
  door.close()
  here.remove()
})

async function makeEngine(store: AsyncStore = directStore(here.store)): Promise<SyncEngine> {
  engine = new SyncEngine({
    store,
    connection: { url: await door.open(), token: 'afs_test' },
    agent: 'a',
    listener: {
      onInvalidate: () => undefined,
      onState: () => undefined,
      onProgress: () => undefined,
      onRejected: () => undefined,
    },
    random: () => 0,
  })
  return engine
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within 10 s`)
    await pause(5, never)
  }
}

describe('an engine and its feed', () => {
  it('[SY-1] whose token has only ended comes back with a fresh one, and is not closed', async () => {
    const made = await makeEngine()
    await made.start()
    door.say({ type: 'revoked', code: 'token_expired' })
    await until('another feed', () => door.feeds.length === 2)
    await until('the feed to be healthy', () => made.state.kind === 'connected')
    expect(here.store.status().revoked).toBe(false)
    expect(door.asked.filter((route) => route === 'token')).toHaveLength(2)
  })

  it('[SY-1] whose key was revoked is closed', async () => {
    const made = await makeEngine()
    await made.start()
    door.say({ type: 'revoked', code: 'key_revoked' })
    await until('the refusal', () => made.state.kind === 'refused')
    expect(here.store.status().revoked).toBe(true)
    here.store.reinstate()
    here.put('a', 'one')
    const startedAt = performance.now()
    expect((await made.flush('acknowledged', 20_000)).journal.entries).toBe(2)
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it('[SY-15] pushes again after a token was refused and the key behind it was not', async () => {
    const made = await makeEngine()
    await made.start()
    let refusals = 1
    door.refusal = (route) =>
      route === 'sync' && refusals-- > 0 ? new AgentfsError('unauthenticated') : undefined
    here.put('a', 'one')
    await until('the push', () => here.store.status().journal.entries === 0)
    expect(door.service.contentAt('a')).toBe('one')
    expect(door.feeds).toHaveLength(1)
  })

  it('[DUR-8] ends when it is closed between catching up and listening', async () => {
    const store = directStore(here.store)
    let closing: Promise<void> | undefined
    const made: SyncEngine = await makeEngine({
      ...store,
      reinstate: () => {
        closing ??= made.close()
        return store.reinstate()
      },
    })
    await made.start()
    const limit = new AbortController()
    const hangs = pause(5_000, limit.signal).then(() => 'hangs')
    expect(await Promise.race([closing?.then(() => 'ended'), hangs])).toBe('ended')
    limit.abort()
  })

  it('[SY-4] has the service store what the cache may not drop before, once there is too much of it', async () => {
    here.store.close()
    here = new StoreFixture({ path: here.folder, cacheBytesMax: 4_000 })
    const made = await makeEngine()
    await made.start()
    here.put('a', 'a'.repeat(3_000))
    await until('the push', () => here.store.status().journal.entries === 0)
    expect(door.asked).not.toContain('flush')
    here.put('b', 'b'.repeat(3_000))
    await until('what is stored', () => here.store.status().stored === door.service.head)
    expect(door.asked).toContain('flush')
    expect(here.store.status().cacheBytes).toBeLessThan(4_000)
  })

  it('[SY-4] does not take what a flush stored of another epoch for what its own has', async () => {
    const made = await makeEngine()
    await made.start()
    here.put('a', 'one')
    door.flushedEpoch = 2
    expect((await made.flush('stored', 10_000)).stored).toBe(0)
    door.flushedEpoch = 1
    expect((await made.flush('stored', 10_000)).stored).toBe(door.service.head)
  })

  it('[SY-4] does not take what another epoch has stored for what its own has', async () => {
    const made = await makeEngine()
    await made.start()
    here.put('a', 'one')
    await until('the push', () => here.store.status().journal.entries === 0)
    door.refusal = (route) => (route === 'changes' ? new AgentfsError('epoch_changed') : undefined)
    door.say({ type: 'heartbeat', epoch: 2, head: 5, stored: 5, grantsVersion: 0 })
    await until('the snapshot to be asked for', () => door.asked.includes('snapshot'))
    expect(here.store.status().stored).toBe(0)
  })
})
