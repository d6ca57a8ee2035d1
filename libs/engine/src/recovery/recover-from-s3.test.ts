import { randomBytes, randomUUID } from 'node:crypto'
import { type ObjectStore, openObjectStore } from '@agentfs/storage'
import { loadServices, objectStoreUrl } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { ImagesChore } from '../images/images-chore.js'
import { bytesOf, newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { BucketAhead } from './bucket-ahead.js'
import { recover } from './recover.js'
import { RECOVERED, recoveredRows } from './recovered-rows.contract.js'

const LARGE = randomBytes(2_500_000)

describe.each(['versitygw', 'minio'] as const)('[DUR-6] recover from a real S3 server, %s', (name) => {
  let running: RunningEngine
  let objectStore: ObjectStore
  let caller: Caller

  beforeAll(async () => {
    const service = loadServices().s3[name]
    objectStore = await openObjectStore(objectStoreUrl(service, `recover-${randomUUID()}`), service)
    running = await startEngine({}, { objectStore })
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(async () => {
    await running?.stop()
    await objectStore?.close()
  })

  it('has every row and byte, from an image of the tree and the commits after it', async () => {
    const { scope } = caller.principal
    const { id } = await running.engine.agents.create(caller, { name: 'kept' })
    await running.engine.files.put(caller, id, 'large.bin', LARGE)
    for (let version = 1; version <= 3; version++)
      await running.engine.files.put(caller, id, 'a.md', Buffer.from(`version ${version}`))
    const { database, resources } = running
    const chore = new ImagesChore({ database, resources, commitsMin: 1, pageRows: 4 })
    const request = { agentId: id, dryRun: false, resume: null }
    expect((await chore.step(scope, request)).counts).toMatchObject({ images: 1 })
    await running.engine.files.delete(caller, id, 'a.md', {})
    for (const streamId of [scope.tenantId, id]) await running.pack(caller, streamId)
    expect(await new BucketAhead({ database, resources }).anywhere()).toBe(false)
    const before = await recoveredRows(database, caller)

    const empty = await running.emptyDatabase()
    const { losses, notes } = await recover({ database: empty.database, resources })
    expect(losses).toEqual([])
    expect(notes.some((note) => note.includes(id) && note.endsWith('was taken'))).toBe(true)
    const after = await recoveredRows(empty.database, caller)
    for (const table of Object.keys(RECOVERED))
      expect({ table, rows: after[table] }).toEqual({ table, rows: before[table] })
    const { body } = await empty.engine.files.read(caller, id, { path: 'large.bin' })
    expect((await bytesOf(body)).equals(LARGE)).toBe(true)
    await expect(empty.engine.files.read(caller, id, { path: 'a.md' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
