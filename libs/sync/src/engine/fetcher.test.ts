import { uuidv7 } from '@agentfs/contracts'
import { AgentfsClient } from '@agentfs/sdk'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { directStore } from '../bridge/direct-store.js'
import { StoreFixture } from '../testing/store-fixture.js'
import { Fetcher } from './fetcher.js'

let fixture: StoreFixture
let fetcher: Fetcher

beforeEach(() => {
  fixture = new StoreFixture()
  // Nobody listens there.
  const routes = new AgentfsClient({ url: 'http://127.0.0.1:9' }).agent('agent').sync
  fetcher = new Fetcher({ store: directStore(fixture.store), routes, random: Math.random })
})

afterEach(() => fixture.remove())

it('[DUR-8] closing waits until the store is left alone: every wait for contents has its answer by then', async () => {
  const failed: string[] = []
  fixture.store.listen((event) => {
    if (event.kind === 'unavailable') failed.push(...event.blocks.map(({ version }) => version))
  })
  const blocks = Array.from({ length: 3 }, () => ({ node: uuidv7(), version: uuidv7(), block: 0 }))
  fetcher.want(blocks)
  fetcher.prefetch()
  await fetcher.close()
  expect(failed.sort()).toEqual(blocks.map(({ version }) => version).sort())
})
