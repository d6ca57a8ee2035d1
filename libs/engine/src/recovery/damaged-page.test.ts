import { createHash } from 'node:crypto'
import { type Operation, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { rollForward } from './recover.js'

const EXTENTS = 300
const STEP = 10_000

let running: RunningEngine
let caller: Caller

beforeAll(async () => {
  running = await startEngine()
  caller = (await newTenant(running.engine)).caller
})
afterAll(() => running.stop())

it('[DUR-6] a page of extents that is damaged since stops no rolling forward of what came after', async () => {
  const { scope } = caller.principal
  const agent = await running.engine.agents.create(caller, { name: 'kept' })
  const [node, first, store] = [uuidv7(), uuidv7(), uuidv7()]
  let previous: string | null = null
  let number = 0
  const push = async (...operations: Operation[]): Promise<void> => {
    const request = { store, number: ++number, previous, operations }
    previous = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    await running.engine.sync.push(caller, agent.id, 0, request, previous)
    await running.pack(caller, scope.tenantId)
    await running.pack(caller, agent.id)
  }
  const extents = Array.from({ length: EXTENTS }, (_, at) => ({
    offset: at * STEP,
    length: 10,
    data: Buffer.from(`extent ${at % 100}.`.slice(0, 10).padEnd(10)),
  }))
  await push(
    { op: 'create', node, kind: 'file', parent: agent.root, name: 'sparse' },
    { op: 'write', node, base: null, version: first, size: EXTENTS * STEP, extents },
  )
  const backup = await running.copyDatabase()
  // The second page changes; the first is shared.
  const data = Buffer.from('a change.')
  const changed = [{ offset: (EXTENTS - 1) * STEP, length: data.length, data }]
  await push({ op: 'write', node, base: first, version: uuidv7(), size: EXTENTS * STEP, extents: changed })
  await running.engine.files.put(caller, agent.id, 'after.md', Buffer.from('stored since'))
  await running.pack(caller, agent.id)

  const pages = await backup.database.withTenant(
    scope,
    (tx) => tx.query<{ objectKey: string; at: number; length: number }>`
      select o.object_key, p.object_offset as at, p.sealed_length as length
      from parts p join objects o on o.tenant_id = p.tenant_id and o.object_id = p.object_id
      where p.tenant_id = ${tx.tenantId} and p.agent_id = ${agent.id} and p.part_ids is not null`,
  )
  expect(pages).toHaveLength(2)
  for (const { objectKey, at, length } of pages) {
    const body = Buffer.from(await running.objectStore.get(`service/${objectKey}`))
    body[at + length - 1]! ^= 1
    await running.objectStore.put(`service/${objectKey}`, body)
  }
  const { losses } = await rollForward({ database: backup.database, resources: running.resources })
  expect(losses).toContainEqual(expect.objectContaining({ kind: 'object', agent: agent.id }))
  const { body } = await backup.engine.files.read(caller, agent.id, { path: 'after.md' })
  expect(await textOf(body)).toBe('stored since')
  const sparse = await backup.engine.files.read(caller, agent.id, { path: 'sparse' })
  await expect(textOf(sparse.body)).rejects.toMatchObject({ code: 'object_corrupt' })
})
