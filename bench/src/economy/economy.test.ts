import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { measureAppends } from './appends.js'
import { measureOverwrites, ratioOf } from './overwrites.js'
import { SimulatedService } from './simulated-service.js'

/** The short runs of what `node bench/dist/economy/main.js` does at length. */
describe('what storage costs over time', () => {
  let service: SimulatedService

  beforeEach(async () => {
    service = await SimulatedService.start()
  })
  afterEach(() => service.stop())

  it('a log that grows line by line: at most 5 times the appended bytes when all that died is gone', async () => {
    const { settledRatio, versions } = await measureAppends(service, 400, { logBytes: 9_000 })
    expect(settledRatio).toBeLessThan(5)
    // Each version but the head is a beginning of another one, and reads: `measureAppends` compared two.
    expect(versions).toEqual({ all: 401, beginnings: 400 })
  }, 300_000)

  it('files that are overwritten all the time: at most twice what is live and what retention keeps, beside what waits for its grace time', async () => {
    const { samples, last, worstRatio } = await measureOverwrites(service, {
      writes: 240,
      allDays: 0,
      sampledEach: 60,
    })
    expect(samples.length).toBeGreaterThan(10)
    expect(worstRatio).toBeLessThan(1)
    // Nothing is left by then but the files.
    expect(last).toMatchObject({ retainedBytes: 0, graceBytes: 0 })
    expect(ratioOf(last)).toBeLessThan(1)
  }, 300_000)

  it('[DUR-1] 1,000 small writes of one agent: at most 4 PUTs in a burst, and 8 at 10 a second, whatever is put', async () => {
    const write = (index: number): Promise<unknown> =>
      service.engine.files.put(service.caller, 'writer', `f${index}`, Buffer.from(`a small file, ${index}`))
    await write(-1)
    await service.pass(300_000)
    let before = service.store.tenantPuts
    for (let index = 0; index < 1_000; index++) await write(index)
    await service.pass(120_000)
    expect(service.store.tenantPuts - before).toBeLessThanOrEqual(4)
    before = service.store.tenantPuts
    for (let index = 0; index < 1_000; index++) {
      await write(1_000 + index)
      if (index % 50 === 49) await service.pass(5_000)
    }
    await service.pass(120_000)
    expect(service.store.tenantPuts - before).toBeLessThanOrEqual(8)
  }, 300_000)
})
