import { describe, expect, it } from '@jest/globals'
import { StorageMetrics } from './storage-metrics.js'

describe('the gauges of the bucket', () => {
  it('tell live, unused and dead bytes, objects and versions by state, and ask once for many looks', async () => {
    let looks = 0
    const metrics = new StorageMetrics(
      () => {
        looks++
        return Promise.resolve({
          rows: [
            { what: 'segment', state: 'live', count: 2, bytes: 1_000, liveBytes: 600 },
            { what: 'segment', state: 'dead', count: 1, bytes: 300, liveBytes: 0 },
            { what: 'version', state: 'beginning', count: 7, bytes: 0, liveBytes: 0 },
          ],
          oldestAt: new Date(10_000),
        })
      },
      () => 70_000,
    )
    const text = await metrics.registry.metrics()
    expect(text).toContain('agentfs_bucket_bytes{kind="segment",use="live"} 600')
    expect(text).toContain('agentfs_bucket_bytes{kind="segment",use="unused"} 400')
    expect(text).toContain('agentfs_bucket_bytes{kind="segment",use="dead"} 300')
    expect(text).toContain('agentfs_bucket_objects{kind="segment",state="live"} 2')
    expect(text).toContain('agentfs_versions{state="beginning"} 7')
    expect(text).toContain('agentfs_bucket_counted_seconds 60')
    await metrics.registry.metrics()
    expect(looks).toBe(1)
  })

  it('keep their last figures while the database is away', async () => {
    const metrics = new StorageMetrics(() => Promise.reject(new Error('away')))
    expect(await metrics.registry.metrics()).toContain('agentfs_bucket_bytes')
  })
})
