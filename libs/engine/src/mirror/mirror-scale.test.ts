import { createHash } from 'node:crypto'
import { type Operation, type PushRequest, uuidv7 } from '@agentfs/contracts'
import { testkitConfig } from '@agentfs/testkit'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'
import { Mirror } from './mirror.js'

/** Files of the folder; AGENTFS_MODEL_OPERATIONS=10000 for the size that is promised, which takes minutes. */
const FILES = testkitConfig().modelOperations ?? 200
const FILES_PER_PUSH = 100
const SAMPLE_MS = 50
const MIB = 1024 ** 2

let running: RunningEngine
let caller: Caller
let agent: { readonly id: string; readonly root: string }

beforeAll(async () => {
  running = await startEngine()
  caller = (await newTenant(running.engine)).caller
  agent = await running.engine.agents.create(caller, { name: 'large' })
})
afterAll(() => running.stop())

/** Does something, and says how long it took and how far the heap grew meanwhile. */
async function measured<T>(what: string, work: () => Promise<T>): Promise<{ done: T; grownMib: number }> {
  const before = process.memoryUsage().rss
  let peak = before
  const sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), SAMPLE_MS)
  const startedMs = performance.now()
  try {
    const done = await work()
    const seconds = (performance.now() - startedMs) / 1_000
    const grownMib = Math.max(0, peak - before) / MIB
    process.stderr.write(`${what}: ${seconds.toFixed(1)} s, memory +${grownMib.toFixed(0)} MiB\n`)
    return { done, grownMib }
  } finally {
    clearInterval(sampling)
  }
}

async function makeFiles(folder: string): Promise<void> {
  const store = uuidv7()
  let previous: string | null = null
  for (let made = 0; made < FILES; made += FILES_PER_PUSH) {
    const operations: Operation[] = made > 0 ? [] : [directory(folder)]
    for (let n = made; n < Math.min(FILES, made + FILES_PER_PUSH); n++) operations.push(...file(folder, n))
    const request: PushRequest = { store, number: made / FILES_PER_PUSH + 1, previous, operations }
    const digest: string = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    await running.engine.sync.push(caller, agent.id, 0, request, digest)
    previous = digest
  }
}

function directory(node: string): Operation {
  return { op: 'create', node, kind: 'directory', parent: agent.root, name: 'before' }
}

function file(parent: string, n: number): Operation[] {
  const node = uuidv7()
  const data = Buffer.from(`---\ntitle: Note ${n}\n---\ntext of ${n}\n`)
  const extents = [{ offset: 0, data }]
  return [
    { op: 'create', node, kind: 'file', parent, name: `${n}.md` },
    { op: 'write', node, base: null, version: uuidv7(), size: data.length, extents },
  ]
}

async function documents(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of running.objectStore.list('service/mirror/'))
    keys.push(key.slice(key.indexOf(agent.id) + agent.id.length + 1))
  return keys
}

it(`[ENC-1] the mirror follows the renaming of a folder of ${FILES} files, and holds few of them at once`, async () => {
  const mirror = new Mirror({ ...running, log: { warn: () => undefined, error: () => undefined } })
  const advance = () => mirror.advance(caller.principal.scope, agent.id)
  const folder = uuidv7()
  await measured('made', () => makeFiles(folder))
  await running.engine.mirrors.set(caller, agent.id, { enabled: true, acceptPlaintext: true })
  const filled = await measured('filled', advance)
  expect(filled.done).toEqual({ claimed: true, written: FILES, removed: 0 })
  await running.engine.files.move(caller, agent.id, { from: 'before', to: 'after' })
  const renamed = await measured('renamed', advance)
  expect(renamed.done).toEqual({ claimed: true, written: FILES, removed: FILES })
  const keys = await documents()
  expect(keys).toHaveLength(FILES)
  expect(keys.filter((key) => !key.startsWith('after/'))).toEqual([])
  const last = `service/mirror/${caller.principal.scope.tenantId}/agents/${agent.id}/after/${FILES - 1}.md`
  const text = await textOf(await running.objectStore.get(last))
  expect(text).toMatch(
    new RegExp(`^---\ntitle: Note ${FILES - 1}\nagentfs: .*"path": "after/${FILES - 1}.md"`),
  )
  expect(Math.max(filled.grownMib, renamed.grownMib)).toBeLessThan(256)
  const { lagSeconds, state } = await running.engine.mirrors.status(caller, agent.id)
  expect({ lagSeconds, state }).toEqual({ lagSeconds: 0, state: 'following' })
}, 1_800_000)
