import { randomUUID } from 'node:crypto'
import { mintTenantScope } from '@agentfs/access'
import { AgentfsError } from '@agentfs/contracts'
import { describe, expect, it } from '@jest/globals'
import { GatheredWrites } from './gathered-writes.js'

describe('gathered writes', () => {
  const scope = mintTenantScope(randomUUID())

  /** Refuses what is below zero, and all that is written with it; notes what each write was given. */
  function refusing(error: Error) {
    const writes: (readonly number[])[] = []
    const gathered = new GatheredWrites<number>((_scope, _group, items) => {
      writes.push(items)
      return items.some((item) => item < 0) ? Promise.reject(error) : Promise.resolve()
    })
    const add = (items: readonly number[]) =>
      Promise.allSettled(items.map((item) => gathered.add(scope, 'group', item)))
    return { writes, add }
  }

  it('shares a write among those that come while another is under way', async () => {
    const { writes, add } = refusing(new Error('refused'))
    await add([1, 2, 3])
    expect(writes).toEqual([[1], [2, 3]])
  })

  it('refuses the one that is refused, and none of those that shared its write', async () => {
    const { add } = refusing(new Error('refused'))
    const outcomes = await add([1, 2, -3, 4])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('[OUT-1] does not ask again for each where the database is away', async () => {
    const { writes, add } = refusing(new AgentfsError('unavailable', { detail: 'away' }))
    const outcomes = await add([1, 2, -3, 4])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
    expect(writes).toHaveLength(2)
  })
})
