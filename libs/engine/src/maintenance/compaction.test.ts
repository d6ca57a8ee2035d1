import { describe, expect, it } from '@jest/globals'
import type { CrashPoint, CrashPoints } from '../followers/crash-points.js'
import { useStagedTenant } from '../followers/staged-tenant.contract.js'
import { CollectChore, COLLECTED_MAX } from './collect-chore.js'
import { expectSoundObjects } from './stored-objects.contract.js'

const HOUR_MS = 3_600_000
const SEGMENTS = 9

describe('compaction', () => {
  const tenant = useStagedTenant()

  /** Small segments, as a slow writer leaves them, some hours old; gives the parts that must stay readable. */
  async function smallSegments(ageMs = 3 * HOUR_MS): Promise<Map<string, string>> {
    const parts = new Map<string, string>()
    for (let segment = 0; segment < SEGMENTS; segment++) {
      const made = await tenant.commit({ files: 2 })
      for (const [id, hash] of made.parts) parts.set(id, hash)
      await tenant.pack()
    }
    tenant.nowMs += ageMs
    return parts
  }

  const request = { agentId: null, dryRun: false, resume: null }
  const step = (crashPoints?: CrashPoints): ReturnType<ReturnType<typeof tenant.compactor>['step']> =>
    tenant.compactor(crashPoints).step(tenant.scope, request)

  /** What was given up or replaced goes from the store, and everything still reads. */
  async function expectOnlyLiveAfterGrace(parts: ReadonlyMap<string, string>): Promise<void> {
    tenant.nowMs += 2 * HOUR_MS
    await tenant.collector().collectObjects(tenant.scope)
    tenant.nowMs += 8 * 24 * HOUR_MS
    await tenant.collector().collectObjects(tenant.scope)
    expect(await tenant.readParts()).toEqual(parts)
    const live = (await tenant.objectRows()).filter(({ state }) => state === 'live')
    expect(await tenant.objectsInStore()).toEqual(live.map(({ objectKey }) => `bucket/${objectKey}`).sort())
  }

  it('[DUR-1] merges small segments into one, counts what is live in it, and all reads as before', async () => {
    const parts = await smallSegments()
    const { counts } = await step()
    expect(counts).toMatchObject({ segmentsRewritten: SEGMENTS })
    expect(await tenant.live('segment')).toHaveLength(1)
    await expectSoundObjects(tenant.database, tenant.scope)
    expect(await tenant.readParts()).toEqual(parts)
    await expectOnlyLiveAfterGrace(parts)
    expect((await step()).counts).toEqual({})
  })

  it('leaves small segments alone that are young: much of them may die before long', async () => {
    await smallSegments(2 * HOUR_MS)
    expect((await step()).counts).toEqual({})
    tenant.nowMs += HOUR_MS
    expect((await step()).counts).toMatchObject({ segmentsRewritten: SEGMENTS })
  })

  it('changes nothing in a dry run', async () => {
    await smallSegments()
    const { counts } = await tenant.compactor().step(tenant.scope, { ...request, dryRun: true })
    expect(counts).toMatchObject({ segmentsRewritten: SEGMENTS })
    expect(await tenant.live('segment')).toHaveLength(SEGMENTS)
  })

  for (const point of ['claimed', 'segment-put', 'switched'] as const) {
    it(`[DUR-1] loses nothing when it is killed at ${point}, and the next one finishes`, async () => {
      const parts = await smallSegments()
      await expect(step(crashAt(point))).rejects.toThrow(`killed at ${point}`)
      expect(await tenant.readParts()).toEqual(parts)
      await step()
      expect(await tenant.live('segment')).toHaveLength(1)
      await expectSoundObjects(tenant.database, tenant.scope)
      await expectOnlyLiveAfterGrace(parts)
    })
  }

  it('leaves a damaged segment alone, and goes on behind its stream', async () => {
    const parts = await smallSegments()
    const [first] = await tenant.live('segment')
    const key = `bucket/${first?.objectKey}`
    const damaged = Buffer.from(await tenant.files.get(key))
    damaged[200] = (damaged[200] ?? 0) ^ 1
    await tenant.files.put(key, damaged)
    expect(await step()).toEqual({ counts: { damaged: 1 }, resume: tenant.agentId })
    expect(await tenant.live('segment')).toHaveLength(SEGMENTS)
    expect((await tenant.readParts()).size).toBe(parts.size)
  })

  it('[DUR-1] deletes what is due a bounded number at a step, so that tenants take turns', async () => {
    const due = COLLECTED_MAX + 1
    await tenant.database.withTenant(
      tenant.scope,
      (tx) => tx.query`
        insert into objects (tenant_id, object_id, kind, object_key, state, created_at, dead_at)
        select ${tx.tenantId}, gen_random_uuid(), 'segment', 'tenants/x/seg/' || n, 'dead', now(), ${new Date(tenant.nowMs)}
        from generate_series(1, ${due}::integer) as n`,
    )
    tenant.nowMs += 8 * 24 * HOUR_MS
    const collect = new CollectChore(tenant.collector())
    const one = await collect.step(tenant.scope, request)
    expect(one).toMatchObject({ counts: { deleted: COLLECTED_MAX } })
    expect(one.resume).not.toBeNull()
    const other = await collect.step(tenant.scope, { ...request, resume: one.resume })
    expect(other).toMatchObject({ counts: { deleted: 1 }, resume: null })
  })

  it('[DUR-1] run several times at once, one wins and the others leave only dead objects', async () => {
    const parts = await smallSegments()
    const steps = await Promise.all([1, 2, 3, 4].map(() => step()))
    expect(steps.filter(({ counts }) => counts['segmentsRewritten'] === SEGMENTS)).toHaveLength(1)
    expect(await tenant.live('segment')).toHaveLength(1)
    await expectSoundObjects(tenant.database, tenant.scope)
    await expectOnlyLiveAfterGrace(parts)
  })

  it('[DUR-1] a collection while it writes leaves its object alone', async () => {
    const parts = await smallSegments()
    const { counts } = await step(async (point) => {
      if (point !== 'segment-put') return
      tenant.nowMs += HOUR_MS / 2
      await tenant.collector().collectObjects(tenant.scope)
    })
    expect(counts).toMatchObject({ segmentsRewritten: SEGMENTS })
    expect(await tenant.readParts()).toEqual(parts)
  })

  it('[DUR-1] a worker that slept past the grace time fails and loses nothing', async () => {
    const parts = await smallSegments()
    const { counts } = await step(async (point) => {
      if (point !== 'segment-put') return
      tenant.nowMs += 2 * HOUR_MS
      await tenant.collector().collectObjects(tenant.scope)
      tenant.nowMs += 8 * 24 * HOUR_MS
      await tenant.collector().collectObjects(tenant.scope)
    })
    expect(counts).toEqual({ lost: 1 })
    expect(await tenant.readParts()).toEqual(parts)
    expect(await tenant.live('segment')).toHaveLength(SEGMENTS)
  })
})

function crashAt(at: CrashPoint): CrashPoints {
  return (point) => {
    if (point === at) throw new Error(`killed at ${at}`)
  }
}
