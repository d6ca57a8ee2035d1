import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { newTenant, origin, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

describe('[ACL-1] [ISO-1] on the way to the prefix of a credential', () => {
  let running: RunningEngine
  let caller: Caller
  let limited: Caller

  beforeAll(async () => {
    running = await startEngine()
    caller = (await newTenant(running.engine)).caller
    const { accounts } = running.engine
    const { secret } = await accounts.createKey(caller, { name: 'private', prefixes: ['notes/private'] })
    limited = { ...origin(), principal: await accounts.verifyApiKey(secret, '127.0.0.1') }
  })
  afterAll(() => running.stop())

  it('a file is not there, by any request', async () => {
    const { agents, files } = running.engine
    const agent = await agents.create(caller, { name: 'file-on-the-way' })
    const { answer } = await files.put(caller, agent.id, 'notes', Buffer.from('secret'))
    const path = 'notes'
    const attempts: (() => Promise<unknown>)[] = [
      () => files.read(limited, agent.id, { path }),
      () => files.read(limited, agent.id, { node: answer.node }),
      () => files.stat(limited, agent.id, { path }),
      () => files.stat(limited, agent.id, { node: answer.node }),
      () => files.versions(limited, agent.id, { path }, { limit: 10 }),
      () => files.tree(limited, agent.id, { path, depth: 1, limit: 10 }),
      () => files.copy(limited, agent.id, { from: path, to: 'notes/private/copy' }),
    ]
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'not_found' })
    const { data } = await files.tree(limited, agent.id, { path: '', depth: 5, limit: 10 })
    expect(data).toEqual([])
    expect(await textOf((await files.read(caller, agent.id, { path })).body)).toBe('secret')
  })

  it('a directory is passed through, and shows what leads on only', async () => {
    const { agents, files } = running.engine
    const agent = await agents.create(caller, { name: 'directory-on-the-way' })
    for (const path of ['notes/private/own.md', 'notes/other.md', 'top.md']) {
      await files.put(caller, agent.id, path, Buffer.from('text'), { parents: true })
    }
    const { data } = await files.tree(limited, agent.id, { path: '', depth: 5, limit: 10 })
    expect(data.map(({ path }) => path)).toEqual(['notes', 'notes/private', 'notes/private/own.md'])
    expect(await files.stat(limited, agent.id, { path: 'notes' })).toMatchObject({ kind: 'directory' })
    const { body } = await files.read(limited, agent.id, { path: 'notes/private/own.md' })
    expect(await textOf(body)).toBe('text')
  })

  it('a node elsewhere is refused by its id without a word of its path', async () => {
    const { agents, files } = running.engine
    const agent = await agents.create(caller, { name: 'elsewhere' })
    const { answer } = await files.put(caller, agent.id, 'hidden.md', Buffer.from('secret'))
    const error: unknown = await files
      .stat(limited, agent.id, { node: answer.node })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'not_found' })
    expect(JSON.stringify(error)).not.toContain('hidden')
  })
})
