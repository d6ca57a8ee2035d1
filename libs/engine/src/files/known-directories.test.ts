import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { WriteConditions } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import type { Engine } from '../engine.js'
import { newTenant, type RunningEngine, startEngine, textOf } from '../running-engine.contract.js'

describe('a new file in a directory that was written into before', () => {
  let running: RunningEngine
  let caller: Caller
  let agent: string
  /** Another process. */
  let other: Engine

  beforeAll(async () => {
    running = await startEngine()
    other = running.another()
    caller = (await newTenant(running.engine)).caller
  })
  afterAll(() => running.stop())
  beforeEach(async () => {
    agent = (await other.agents.create(caller, { name: `home-${Math.random().toString(36).slice(2)}` })).id
    await put('notes/2026/first.md', 'first', { parents: true })
    await put('notes/2026/second.md', 'second')
  })

  const put = (path: string, text: string, conditions: WriteConditions = {}, engine = running.engine) =>
    engine.files.put(caller, agent, path, Buffer.from(text), conditions)
  const read = async (path: string) => textOf((await other.files.read(caller, agent, { path })).body)
  const listed = async (path: string) => {
    const { data } = await other.files.tree(caller, agent, { path, depth: 9, limit: 100 })
    return data.filter(({ kind }) => kind === 'file').map((stat) => stat.path)
  }

  it('is created without a look-up of its path', async () => {
    running.statements.clear()
    expect((await put('notes/2026/third.md', 'third')).created).toBe(true)
    const texts = [...running.statements].join('\n')
    expect(texts).toContain('insert into nodes')
    expect(texts).not.toContain('recursive walk')
    expect(await read('notes/2026/third.md')).toBe('third')
  })

  it('goes to the directory that is at its path now, however another process moved them', async () => {
    await other.files.move(caller, agent, { from: 'notes', to: 'old' })
    await expect(put('notes/2026/third.md', 'third')).rejects.toMatchObject({ code: 'not_found' })
    await put('notes/2026/third.md', 'third', { parents: true })
    expect(await listed('notes')).toEqual(['notes/2026/third.md'])
    await other.files.move(caller, agent, { from: 'notes', to: 'newer' })
    await other.files.move(caller, agent, { from: 'old', to: 'notes' })
    await put('notes/2026/fourth.md', 'fourth')
    expect(await listed('notes')).toEqual(
      ['first.md', 'fourth.md', 'second.md'].map((name) => `notes/2026/${name}`),
    )
    expect(await listed('newer')).toEqual(['newer/2026/third.md'])
  })

  it('is refused where another process put a file in place of the directory, or deleted it', async () => {
    await other.files.delete(caller, agent, 'notes', { recursive: true })
    await expect(put('notes/2026/third.md', 'third')).rejects.toMatchObject({ code: 'not_found' })
    await put('notes', 'a file', {}, other)
    await expect(put('notes/2026/third.md', 'third')).rejects.toMatchObject({ code: 'not_a_directory' })
  })

  it('[CON-6] replaces what another process created there, or is refused where it insists', async () => {
    await put('notes/2026/third.md', 'theirs', {}, other)
    expect((await put('notes/2026/third.md', 'mine')).created).toBe(false)
    expect(await read('notes/2026/third.md')).toBe('mine')
    await put('notes/2026/fourth.md', 'theirs', {}, other)
    await expect(put('notes/2026/fourth.md', 'mine', { createOnly: true })).rejects.toMatchObject({
      code: 'version_conflict',
    })
    expect(await read('notes/2026/fourth.md')).toBe('theirs')
    expect(await listed('notes')).toHaveLength(4)
  })

  it('is refused where another process made a directory of that name', async () => {
    await other.files.mkdir(caller, agent, { path: 'notes/2026/third.md' })
    await expect(put('notes/2026/third.md', 'mine')).rejects.toMatchObject({ code: 'is_directory' })
  })

  it('[ACL-1] is refused to who may not write there', async () => {
    const limits = { ...caller.principal.limits, prefixes: ['elsewhere'] }
    const narrow = { ...caller, principal: { ...caller.principal, limits } }
    await expect(
      running.engine.files.put(narrow, agent, 'notes/2026/third.md', Buffer.from('x')),
    ).rejects.toMatchObject({ code: 'not_found' })
  })
})
