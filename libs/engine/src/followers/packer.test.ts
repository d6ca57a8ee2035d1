import { isAgentfsError } from '@agentfs/contracts'
import { parseSegment } from '@agentfs/storage'
import { describe, expect, it } from '@jest/globals'
import { PACK_BYTES_MAX } from './pack-plan.js'
import { sha256, useStagedTenant } from './staged-tenant.contract.js'
import { Sweeper } from './sweeper.js'

describe('the packer', () => {
  const tenant = useStagedTenant()

  it('stores a hundred flushed files with at most 2 PUTs, and drains the stream', async () => {
    const { parts } = await tenant.commit({ files: 100 })
    await tenant.requestFlush()
    const outcomes = await tenant.advance()
    expect(outcomes).toMatchObject([{ kind: 'stored', through: { epoch: 0, seq: 1 }, drained: true }])
    expect(tenant.store.puts).toBe(2)
    expect(await tenant.readParts()).toEqual(parts)
    expect(await tenant.streamRow()).toEqual({
      stagedBytes: 0,
      stagedSince: null,
      flushRequestedAt: null,
      cursor: 1,
    })
    const staged = await tenant.database.withTenant(
      tenant.scope,
      (tx) => tx.query`
      select 1 from records where sealed is not null union all select 1 from versions where sealed is not null
      union all select 1 from parts where sealed is not null`,
    )
    expect(staged).toHaveLength(0)
  })

  it('stores a thousand small writes of a burst with at most 4 PUTs', async () => {
    for (let write = 0; write < 1_000; write++) await tenant.commit()
    tenant.nowMs += 60_000
    await tenant.advance()
    expect(tenant.store.puts).toBeLessThanOrEqual(4)
    expect(await tenant.streamRow()).toMatchObject({ cursor: 1_000, stagedBytes: 0 })
  })

  it('leaves a stream alone that is neither large, nor old, nor asked for', async () => {
    await tenant.commit()
    expect(await tenant.advance()).toEqual([])
    expect(tenant.store.puts).toBe(0)
  })

  it('[DUR-6] writes a segment that says by itself what it holds', async () => {
    const { parts } = await tenant.commit({ files: 3 })
    await tenant.commit()
    await tenant.pack()
    const segment = (await tenant.objectRows()).find(({ kind }) => kind === 'segment')!
    expect(segment.objectKey).toBe(
      `tenants/${tenant.scope.tenantId}/agents/${tenant.agentId}/seg/${segment.objectId}`,
    )
    const { header, entries } = parseSegment(
      await tenant.files.get(`bucket/${segment.objectKey}`),
      segment.objectKey,
    )
    expect(header).toMatchObject({
      tenantId: tenant.scope.tenantId,
      streamId: tenant.agentId,
      firstSeq: 1,
      lastSeq: 2,
    })
    for (const [id, hash] of parts) {
      expect(sha256(entries.find((entry) => entry.id === id)!.sealed)).toBe(hash)
    }
    expect(entries.filter(({ kind }) => kind === 'record').map(({ seq }) => seq)).toEqual([1, 2])
  })

  it('[OUT-1] keeps everything staged while the store is down, waits, and drains by itself afterwards', async () => {
    const { parts } = await tenant.commit({ files: 2 })
    const patient = tenant.packer()
    tenant.store.failing = true
    await expect(patient.packStream(tenant.scope, tenant.agentId)).rejects.toThrow('the store is down')
    const refused = await patient.packStream(tenant.scope, tenant.agentId).catch((error: unknown) => error)
    expect(isAgentfsError(refused, 'unavailable')).toBe(true)
    expect(tenant.store.puts).toBe(2)
    expect((await tenant.objectRows()).map(({ state }) => state)).toEqual(['dead', 'dead'])
    tenant.store.failing = false
    tenant.nowMs += 2_000
    expect(await patient.packStream(tenant.scope, tenant.agentId)).toMatchObject({
      kind: 'stored',
      drained: true,
    })
    expect(await tenant.readParts()).toEqual(parts)
  })

  it('closes segments at 4 MiB without cutting a commit, and stores large parts of a huge commit one by one', async () => {
    const first = await tenant.commit({ files: 3, partBytes: 1 << 20 })
    const second = await tenant.commit({ files: 3, partBytes: 1 << 20 })
    const huge = await tenant.commit({ files: 9, partBytes: 1 << 20 })
    tenant.nowMs += 60_000
    const outcomes = await tenant.advance()
    expect(outcomes.map((outcome) => outcome.kind === 'stored' && outcome.through.seq)).toEqual([1, 2, 3])
    expect(outcomes[0]).toMatchObject({ bytes: expect.any(Number), drained: false })
    const rows = await tenant.objectRows()
    expect(rows.filter(({ kind }) => kind === 'part')).toHaveLength(9)
    expect(rows.every(({ liveBytes }) => liveBytes <= PACK_BYTES_MAX)).toBe(true)
    expect(await tenant.readParts()).toEqual(new Map([...first.parts, ...second.parts, ...huge.parts]))
    expect(await tenant.streamRow()).toMatchObject({ stagedBytes: 0, stagedSince: null })
  })

  it('takes back a flush request only when what it asked for is stored', async () => {
    await tenant.commit()
    await tenant.requestFlush()
    const flushing = tenant.packer({
      crashPoints: async (point) => {
        if (point !== 'claimed') return
        await tenant.commit()
        await tenant.requestFlush()
      },
    })
    await flushing.packStream(tenant.scope, tenant.agentId)
    expect((await tenant.streamRow()).flushRequestedAt).not.toBeNull()
    await tenant.advance()
    expect(await tenant.streamRow()).toMatchObject({ flushRequestedAt: null, stagedSince: null, cursor: 2 })
  })

  it('is found by the sweeper by age, by size and by request', async () => {
    const sweeper = new Sweeper({ database: tenant.database, clock: tenant.clock })
    const due = async (): Promise<boolean> =>
      (await sweeper.dueAcrossTenants()).streams.some(({ streamId }) => streamId === tenant.agentId)
    await tenant.commit()
    expect(await due()).toBe(false)
    tenant.nowMs += 60_000
    expect(await due()).toBe(true)
    await tenant.advance()
    expect(await due()).toBe(false)
    await tenant.commit({ files: 5, partBytes: 1 << 20 })
    expect(await due()).toBe(true)
    await tenant.advance()
    await tenant.commit()
    await tenant.requestFlush()
    expect(await due()).toBe(true)
  })
})
