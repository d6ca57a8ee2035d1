import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import type { AsyncStore } from '../engine/async-store.js'
import { LocalStore } from '../store/local-store.js'
import type { StoreEvent } from '../store/store-types.js'
import { ReferenceService } from '../testing/reference-service.js'
import { LIMITS, StoreFixture } from '../testing/store-fixture.js'
import { directStore } from './direct-store.js'
import { RemoteStore } from './remote-store.js'
import { StoreServer } from './store-server.js'

// A thread of its own needs the built code.
const THREAD = fileURLToPath(new URL('../../dist/testing/store-thread.js', import.meta.url))

interface Opened {
  readonly store: AsyncStore
  close(): Promise<void>
}

const KINDS: Record<string, (path: string) => Opened> = {
  'on this thread': (path) => {
    const local = LocalStore.open({ path, agent: 'agent-1', agentName: 'reference' })
    return { store: directStore(local), close: async () => local.close() }
  },
  'behind a port, answered by messages': (path) => {
    const local = LocalStore.open({ path, agent: 'agent-1', agentName: 'reference' })
    const { port1, port2 } = new MessageChannel()
    const server = new StoreServer(local, port2)
    server.serve()
    const store = new RemoteStore(port1, () => undefined)
    return {
      store,
      close: async () => {
        store.close()
        server.close()
        local.close()
      },
    }
  },
  'on a thread that blocks and drains': (path) => {
    const { port1, port2 } = new MessageChannel()
    const wake = new SharedArrayBuffer(8)
    const cells = new Int32Array(wake)
    const knock = (): void => {
      Atomics.add(cells, 0, 1)
      Atomics.notify(cells, 0)
    }
    const thread = new Worker(THREAD, { workerData: { path, port: port2, wake }, transferList: [port2] })
    const ended = once(thread, 'exit')
    const store = new RemoteStore(port1, knock)
    return {
      store,
      close: async () => {
        Atomics.store(cells, 1, 1)
        knock()
        await ended
        store.close()
      },
    }
  },
}

describe.each(Object.keys(KINDS))('a store %s', (kind) => {
  let path: string
  let opened: Opened
  let service: ReferenceService
  let other: StoreFixture

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'agentfs-bridge-'))
    const open = KINDS[kind]
    if (open === undefined) throw new Error('no such kind')
    opened = open(path)
    service = new ReferenceService()
    other = new StoreFixture()
    other.snapshot(service)
  })

  afterEach(async () => {
    await opened.close()
    other.remove()
    rmSync(path, { recursive: true, force: true })
  })

  async function snapshot(): Promise<void> {
    const { store } = opened
    await store.beginSnapshot(service.epoch, service.head, service.root)
    await store.addSnapshotRows(service.rows())
    await store.finishSnapshot(service.head)
  }

  it('answers every call, in the order of the calls', async () => {
    expect(await opened.store.address()).toBeNull()
    await snapshot()
    other.put('a', 'text')
    other.sync(service)
    const [commit] = service.commits
    if (commit === undefined) throw new Error('nothing was committed')
    const { store } = opened
    const [invalidations, address, hash] = await Promise.all([
      store.applyCommit(commit, []),
      store.address(),
      store.treeHash(),
    ])
    expect(invalidations).toContainEqual({ kind: 'entry', parentIno: 1, name: 'a' })
    expect(address).toEqual({ epoch: 1, seq: 1 })
    expect(hash).toBe(other.store.treeHash())
    expect(await store.freezePush(LIMITS)).toBeNull()
    expect(await store.uncached(1_000, 1_000, 10)).toHaveLength(1)
    expect(await store.journaledPaths()).toEqual([])
    expect(await store.openInodes()).toEqual([])
  })

  it('fails a call with the error the store threw, code and details included', async () => {
    await snapshot()
    other.put('a', 'x')
    other.sync(service)
    other.put('b', 'x')
    other.sync(service)
    const commit = service.commits[1]
    if (commit === undefined) throw new Error('nothing was committed')
    const failure = await opened.store.applyCommit(commit, []).catch((error: unknown) => error)
    expect(isAgentfsError(failure, 'invalid_request')).toBe(true)
    const epoch = await opened.store.advance(7, 9).catch((error: unknown) => error)
    expect(epoch).toMatchObject({ code: 'epoch_changed', details: { epoch: 7 } })
  })

  it('tells events, errors among them', async () => {
    await snapshot()
    const events: StoreEvent[] = []
    const stop = opened.store.listen((event) => events.push(event))
    const address = { node: service.root, version: service.root, block: 0 }
    await opened.store.provide(address, Buffer.from('bytes'))
    await opened.store.failBlocks([address], new AgentfsError('not_found', { detail: 'gone' }))
    await opened.store.status()
    expect(events).toMatchObject([
      { kind: 'provided', blocks: [address] },
      { kind: 'unavailable', blocks: [address], error: { code: 'not_found', message: 'gone' } },
    ])
    stop()
    await opened.store.provide({ ...address, block: 1 }, Buffer.from('bytes'))
    await opened.store.status()
    expect(events).toHaveLength(2)
  })
})

describe('a remote store', () => {
  it('fails calls under way, and later ones, once it is closed', async () => {
    const { port1, port2 } = new MessageChannel()
    const store = new RemoteStore(port1, () => undefined)
    const underWay = store.status()
    store.close()
    await expect(underWay).rejects.toThrow('closed')
    await expect(store.status()).rejects.toThrow('closed')
    port2.close()
  })
})
