import { createHash } from 'node:crypto'
import { type Operation, uuidv7 } from '@agentfs/contracts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, origin, type RunningEngine, startEngine } from '../running-engine.contract.js'

describe('[DUR-1] deleted files are listed while they can be restored', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: { id: string; root: string }

  beforeAll(async () => {
    running = await startEngine()
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    caller = (await newTenant(running.engine)).caller
    agent = await running.engine.agents.create(caller, { name: 'deleting' })
  })

  const put = (path: string, text = path) =>
    running.engine.files.put(caller, agent.id, path, Buffer.from(text), { parents: true })
  const remove = (path: string, options = {}) => running.engine.files.delete(caller, agent.id, path, options)
  const list = async (by = caller, limit = 1_000, cursor?: string) => {
    const page = await running.engine.files.deleted(by, agent.id, {
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    })
    return { ...page, paths: page.data.map(({ path }) => path).toSorted() }
  }

  it('with where they last were, whatever became of the folders on the way', async () => {
    for (const path of ['a.md', 'moved/b.md', 'gone/deep/c.md', 'kept.md', 'erased.md', 'back.md'])
      await put(path)
    const { answer } = await put('a.md', 'a second version')
    for (const path of ['a.md', 'moved/b.md', 'back.md']) await remove(path)
    await remove('gone', { recursive: true })
    await remove('erased.md', { erase: true })
    await running.engine.files.restore(caller, agent.id, { path: 'back.md', version: 1 })
    await running.engine.files.move(caller, agent.id, { from: 'moved', to: 'elsewhere' })
    const { data, paths } = await list()
    expect(paths).toEqual(['a.md', 'elsewhere/b.md', 'gone/deep/c.md'])
    const [file] = data.filter(({ path }) => path === 'a.md')
    expect(file).toMatchObject({
      node: answer.node,
      kind: 'file',
      number: 2,
      size: 16,
      version: answer.version,
    })
    expect(Date.parse(file?.deletedAt ?? '')).toBeGreaterThan(Date.now() - 60_000)
  })

  it('page by page, and with the bytes of a path that is no UTF-8', async () => {
    for (let n = 0; n < 5; n++) await put(`${n}.md`)
    for (let n = 0; n < 5; n++) await remove(`${n}.md`)
    const name = `\0${Buffer.from([0xff, 0x2e, 0x6d]).toString('base64')}`
    const node = uuidv7()
    const operations: Operation[] = [
      { op: 'create', node, kind: 'file', parent: agent.root, name },
      {
        op: 'write',
        node,
        base: null,
        version: uuidv7(),
        size: 1,
        extents: [{ offset: 0, length: 1, data: Buffer.from('x') }],
      },
      { op: 'unlink', node, parent: agent.root, name },
    ]
    const request = { store: uuidv7(), number: 1, previous: null, operations }
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    await running.engine.sync.push(caller, agent.id, 0, request, digest)
    const seen: string[] = []
    for (let cursor: string | undefined; ;) {
      const page = await list(caller, 2, cursor)
      seen.push(...page.data.map(({ path, pathBase64 = '' }) => pathBase64 || path))
      if (page.nextCursor === null) break
      cursor = page.nextCursor
    }
    expect(seen.toSorted()).toEqual(['/y5t', '0.md', '1.md', '2.md', '3.md', '4.md'])
  })

  it('[ISO-1] [ACL-2] to nobody else, and below the paths of a key alone', async () => {
    for (const path of ['notes/a.md', 'private/b.md']) await put(path)
    for (const path of ['notes/a.md', 'private/b.md']) await remove(path)
    const { secret } = await running.engine.accounts.createKey(caller, { name: 'notes', prefixes: ['notes'] })
    const limited = {
      ...origin(),
      principal: await running.engine.accounts.verifyApiKey(secret, '127.0.0.1'),
    }
    expect((await list(limited)).paths).toEqual(['notes/a.md'])
    const foreign = (await newTenant(running.engine)).caller
    await expect(list(foreign)).rejects.toMatchObject({ code: 'not_found' })
  })
})
