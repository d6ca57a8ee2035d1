import { afterEach, describe, expect, it } from '@jest/globals'
import { uuidv7 } from '@agentfs/contracts'
import type { Announcement } from '@agentfs/engine'
import { freePort, loadServices, waitFor } from '@agentfs/testkit'
import { pino } from 'pino'
import { RedisBus } from './redis-bus.js'

const log = pino({ level: 'silent' })
const buses: RedisBus[] = []

function open(url: string): { bus: RedisBus; heard: Announcement[] } {
  const bus = new RedisBus(url, log)
  buses.push(bus)
  const heard: Announcement[] = []
  bus.subscribe((told) => heard.push(told))
  return { bus, heard }
}

afterEach(async () => {
  for (const bus of buses.splice(0)) await bus.close()
})

function announcement(seq: number): Announcement {
  return { tenantId: uuidv7(), agentId: uuidv7(), epoch: 0, seq }
}

describe('announcements over Redis', () => {
  it('[SY-3] reach the feeds of every process, those of their own once', async () => {
    const { url } = loadServices().redis
    const [one, other] = [open(url), open(url)]
    // A subscription takes a moment, and what came before it is lost by design: announce until the other hears.
    const made: Announcement[] = []
    await waitFor(
      () => {
        made.push(announcement(made.length + 1))
        one.bus.publish(made.at(-1) ?? announcement(0))
        return other.heard.some(({ tenantId }) => made.some((own) => own.tenantId === tenantId))
      },
      { deadlineMs: 5_000, what: 'the other process to hear' },
    )
    other.bus.publish(announcement(77))
    await waitFor(() => one.heard.some(({ seq }) => seq === 77), { deadlineMs: 5_000, what: 'the answer' })
    expect(one.heard.filter(({ seq }) => seq !== 77)).toEqual(made)
    expect(other.heard.filter(({ seq }) => seq === 77)).toHaveLength(1)
  })

  it('[OUT-1] are heard within the process while Redis is down, and publishing neither throws nor waits', async () => {
    const { bus, heard } = open(`redis://127.0.0.1:${await freePort()}`)
    bus.publish(announcement(1))
    expect(heard.map(({ seq }) => seq)).toEqual([1])
  })
})
