import { uuidv7 } from '@agentfs/contracts'
import { eraseKeys } from '@agentfs/storage'
import { describe, expect, it } from '@jest/globals'
import { CRASH_POINTS, type CrashPoint } from './crash-points.js'
import { useStagedTenant } from './staged-tenant.contract.js'

const HOUR_MS = 3_600_000

describe('the packer, the key ledger and the collector', () => {
  const tenant = useStagedTenant()

  it('[ENC-3] puts every key into the ledger before anything it seals counts as stored', async () => {
    const { keys } = await tenant.commit({ files: 2 })
    await expect(tenant.pack({ crashPoints: crashAt('ledgered') })).rejects.toThrow('killed at ledgered')
    const [held, ...more] = await tenant.ledgers()
    expect(more).toHaveLength(0)
    expect(held?.keys.map(({ keyId }) => keyId)).toEqual(expect.arrayContaining(keys))
    expect(held?.keks).toHaveLength(1)
    expect((await tenant.streamRow()).cursor).toBe(0)
  })

  it('[ENC-3] stores nothing whose key is not marked as ledgered, whoever unmarked it', async () => {
    const { keys } = await tenant.commit({ files: 2 })
    const unmark = async (point: CrashPoint): Promise<void> => {
      if (point !== 'ledgered') return
      await tenant.database.withTenant(
        tenant.scope,
        (tx) => tx.query`update content_keys set ledgered_at = null where key_id = ${keys[0]!}`,
      )
    }
    await expect(tenant.pack({ crashPoints: unmark })).rejects.toThrow('is not in the key ledger')
    expect((await tenant.streamRow()).cursor).toBe(0)
    expect(await tenant.pack()).toMatchObject({ kind: 'stored', drained: true })
    expect(await tenant.ledgers()).toHaveLength(2)
  })

  for (const point of CRASH_POINTS) {
    it(`[DUR-1] loses nothing when it is killed at ${point}`, async () => {
      const first = await tenant.commit({ files: 5 })
      await expect(tenant.pack({ crashPoints: crashAt(point) })).rejects.toThrow(point)
      expect(await tenant.readParts()).toEqual(first.parts)

      const second = await tenant.commit({ files: 2 })
      const outcome = await tenant.pack()
      expect(outcome).toMatchObject({ kind: 'stored', drained: true })
      expect((await tenant.streamRow()).cursor).toBe(second.seq)
      const all = new Map([...first.parts, ...second.parts])
      expect(await tenant.readParts()).toEqual(all)

      // Orphans are given up after an hour, deleted after a week; what is live stays readable.
      tenant.nowMs += HOUR_MS + 1_000
      await tenant.collector().collectObjects(tenant.scope)
      tenant.nowMs += 8 * 24 * HOUR_MS
      await tenant.collector().collectObjects(tenant.scope)
      expect(await tenant.readParts()).toEqual(all)
      const live = (await tenant.objectRows()).filter(({ state }) => state === 'live')
      expect(await tenant.objectsInStore()).toEqual(live.map(({ objectKey }) => `bucket/${objectKey}`).sort())
    })
  }

  it('[DUR-1] run twice at once, one wins and the other leaves only a dead object', async () => {
    const { parts } = await tenant.commit({ files: 20 })
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => tenant.pack()))
    expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(1)
    const segments = (await tenant.objectRows()).filter(({ kind }) => kind === 'segment')
    expect(segments.filter(({ state }) => state === 'live')).toHaveLength(1)
    expect(segments.every(({ state }) => state === 'live' || state === 'dead')).toBe(true)
    expect(await tenant.readParts()).toEqual(parts)
  })

  it('[DUR-2] a slow packer whose object was given up meanwhile changes nothing', async () => {
    const { parts } = await tenant.commit({ files: 2 })
    const slow = tenant.packer({
      crashPoints: async (point) => {
        if (point !== 'ledgered') return
        tenant.nowMs += 2 * HOUR_MS
        await tenant.collector().collectObjects(tenant.scope)
      },
    })
    expect(await slow.packStream(tenant.scope, tenant.agentId)).toEqual({ kind: 'lost' })
    expect((await tenant.streamRow()).cursor).toBe(0)
    expect(await tenant.readParts()).toEqual(parts)
  })

  it('[ENC-3] passes over rows that were erased while it worked', async () => {
    const { parts, keys } = await tenant.commit({ files: 3 })
    const [erased] = parts.keys()
    const working = tenant.packer({
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        await tenant.database.withTenant(tenant.scope, async (tx) => {
          void tx.query`delete from versions where part_ids = array[${erased!}::uuid]`
          void tx.query`delete from parts where part_id = ${erased!}`
          await eraseKeys(tx, [keys[0]!], 'erase', new Date())
        })
      },
    })
    expect(await working.packStream(tenant.scope, tenant.agentId)).toMatchObject({
      kind: 'stored',
      drained: true,
    })
    parts.delete(erased!)
    expect(await tenant.readParts()).toEqual(parts)
    const segment = (await tenant.live('segment'))[0]
    expect(segment?.liveBytes).toBe(200 + 2 * 1_412)

    // The tombstone supersedes every ledger object that may hold the key.
    tenant.nowMs = Date.now() + 1_000
    await tenant.collector().collectObjects(tenant.scope)
    const held = await tenant.ledgers()
    expect(held.flatMap((ledger) => ledger.keys.map(({ keyId }) => keyId))).not.toContain(keys[0])
    expect(held.flatMap((ledger) => ledger.tombstones.map(({ keyId }) => keyId))).toContain(keys[0])
  })

  it('[ENC-3] is not held up by a key that was erased before it came to the ledger', async () => {
    const { keys } = await tenant.commit({ files: 2 })
    await tenant.database.withTenant(tenant.scope, (tx) => eraseKeys(tx, [keys[0]!], 'erase', new Date()))
    expect(await tenant.pack()).toMatchObject({ kind: 'stored' })
    const [held] = await tenant.ledgers()
    expect(held?.keys.map(({ keyId }) => keyId)).not.toContain(keys[0])
    expect(held?.tombstones.map(({ keyId }) => keyId)).toEqual([keys[0]])
  })

  it('drops uploads that no push named within a day, and leaves those alone that one did', async () => {
    const { parts } = await tenant.commit({ files: 2 })
    const [named] = parts.keys()
    const upload = uuidv7()
    await tenant.database.withTenant(
      tenant.scope,
      (tx) => tx.query`
      insert into parts (tenant_id, agent_id, part_id, node_id, key_id, size, content_mac, epoch, created_at, sealed, sealed_length)
      select tenant_id, agent_id, ${upload}, node_id, key_id, size, content_mac, epoch, created_at, sealed, sealed_length
      from parts where part_id = ${named!}`,
    )
    const drop = async (): Promise<number> =>
      (await tenant.collector().collectObjects(tenant.scope)).uploadsDropped
    expect(await drop()).toBe(0)
    tenant.nowMs += 25 * HOUR_MS
    expect(await drop()).toBe(1)
    expect(await tenant.readParts()).toEqual(parts)
  })

  it('[ENC-3] rewrites a ledger in many pieces into one, and keeps what came meanwhile', async () => {
    const keys: string[] = []
    for (let round = 0; round < 33; round++) {
      keys.push(...(await tenant.commit()).keys)
      await tenant.pack()
    }
    await tenant.collector().collectObjects(tenant.scope)
    const [held, ...more] = await tenant.ledgers()
    expect(more).toHaveLength(0)
    expect(held?.keys.map(({ keyId }) => keyId)).toEqual(expect.arrayContaining(keys))
  })
})

function crashAt(at: CrashPoint): (point: CrashPoint) => void {
  return (point) => {
    if (point === at) throw new Error(`killed at ${point}`)
  }
}
