import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { waitFor } from '@agentfs/testkit'
import { acceptanceConfig } from './harness/config.js'
import { Machine, type Mount } from './harness/machine.js'
import { type Dependency, DEPENDENCIES, OutageSite } from './harness/outage-site.js'
import { innerStatus, settled } from './harness/settle.js'
import { WriteLoad } from './harness/write-load.js'

const OUTAGE_MS = acceptanceConfig().outageSeconds * 1_000
// What a longer outage held back takes longer to drain.
const DRAIN_MS = 60_000 + OUTAGE_MS / 2
const AGENT = 'outages'

/** With what a write may be refused while something is away; nothing else, and never without Retry-After. */
const REFUSALS: Readonly<Record<Dependency, readonly string[]>> = {
  object_store: ['storage_backlogged'],
  kms: ['kms_unavailable'],
  queue: [],
  database: ['unavailable'],
}

const pairs = DEPENDENCIES.flatMap((one, at) => DEPENDENCIES.slice(at + 1).map((other) => [one, other]))
const outages: Dependency[][] = [...DEPENDENCIES.map((one) => [one]), ...pairs]

let site: OutageSite
let machine: Machine
let mount: Mount

beforeAll(async () => {
  site = await OutageSite.start()
  await site.client.createAgent({ name: AGENT })
  const { service, key: token, directory } = site
  machine = new Machine({ home: join(directory, 'machine'), service, token, agent: AGENT })
  mount = await machine.mount()
})

afterAll(async () => {
  await machine?.close()
  await site?.stop()
})

describe('[OUT-1] under writes by REST and by a mount', () => {
  it.each(outages.map((away) => [away.join(' and '), away] as const))(
    'without %s: what is refused says so, nothing acknowledged is lost, and all drains by itself',
    async (name, away) => {
      const label = name.replaceAll(' ', '-')
      const load = new WriteLoad({ url: site.service.url, key: site.key, agent: AGENT }, label)
      await waitFor(() => load.acknowledged.size > 10, { deadlineMs: 20_000, what: 'the load to run' })
      for (const one of away) await site.take(one)
      const endsAt = performance.now() + OUTAGE_MS
      const onMount: string[] = []
      for (let at = 0; performance.now() < endsAt; at++) {
        // The mount takes every write, whatever the service does.
        await mount.output(`echo "${label} ${at}" > mount-${label}-${at}.md`, { limitMs: 5_000 })
        onMount.push(`mount-${label}-${at}.md`)
        await setTimeout(100)
      }
      const up = await waitFor(
        async () => {
          const now = await site.up()
          return away.every((one) => !now.includes(one)) && now
        },
        { deadlineMs: 20_000, what: `the alarm for ${name}` },
      )
      expect(up).toEqual(DEPENDENCIES.filter((one) => !away.includes(one)))
      const acknowledgedAway = load.acknowledged.size
      for (const one of away) await site.give(one)
      await waitFor(() => load.acknowledged.size > acknowledgedAway + 10, {
        deadlineMs: DRAIN_MS,
        what: 'writes to be acknowledged again',
      })
      await load.stop()

      expect(load.failures).toEqual([])
      const allowed = away.flatMap((one) => REFUSALS[one])
      for (const refusal of load.refusals) {
        expect(refusal).toEqual({ status: 503, code: expect.any(String), retryAfter: expect.any(Number) })
        expect(allowed).toContain(refusal.code)
        expect(refusal.retryAfter).toBeGreaterThanOrEqual(1)
      }
      // An outage that refuses nothing was none, where it should refuse.
      if (away.includes('kms') || away.includes('database')) expect(load.refusals.length).toBeGreaterThan(0)
      else expect(load.refusals).toEqual([])

      await settled(machine, DRAIN_MS)
      expect((await innerStatus(machine)).rejected).toBe(0)
      await waitFor(
        async () =>
          (await site.client.agent(AGENT).flush({ until: 'stored', timeoutMs: 10_000 })).state === 'stored',
        { deadlineMs: DRAIN_MS, what: 'everything to be stored' },
      )
      await waitFor(async () => (await site.up()).length === DEPENDENCIES.length, {
        deadlineMs: 20_000,
        what: 'the alarms to end',
      })
      const files = site.client.agent(AGENT).files
      for (const [path, body] of load.acknowledged) expect(await files.readText(path)).toBe(body)
      for (const [at, path] of onMount.entries()) expect(await files.readText(path)).toBe(`${label} ${at}\n`)
    },
    4 * OUTAGE_MS + 3 * DRAIN_MS,
  )
})

describe('[OUT-1] with room for 400 kB', () => {
  it('writes are staged up to the limit, refused above it, and taken again once the store is back', async () => {
    const small = await OutageSite.start({ AGENTFS_STAGED_BYTES_PER_TENANT_MAX: '400000' })
    try {
      await small.client.createAgent({ name: AGENT })
      await small.take('object_store')
      const load = new WriteLoad({ url: small.service.url, key: small.key, agent: AGENT }, 'limit')
      const backlogged = () => load.refusals.some(({ code }) => code === 'storage_backlogged')
      await waitFor(backlogged, { deadlineMs: 90_000, what: 'the limit to be met' })
      expect(load.acknowledged.size).toBeGreaterThan(50)
      await waitFor(async () => (await small.metric('agentfs_staged_bytes')) >= 400_000, {
        deadlineMs: 20_000,
        what: 'the staged bytes to show',
      })
      expect(await small.metric('agentfs_staged_oldest_seconds')).toBeGreaterThan(0)
      const before = load.acknowledged.size
      await small.give('object_store')
      await waitFor(() => load.acknowledged.size > before + 10, {
        deadlineMs: 2 * DRAIN_MS,
        what: 'writes to be taken again',
      })
      await load.stop()
      expect(load.failures).toEqual([])
      for (const refusal of load.refusals) {
        expect(refusal).toEqual({ status: 503, code: 'storage_backlogged', retryAfter: expect.any(Number) })
        expect(refusal.retryAfter).toBeGreaterThanOrEqual(1)
      }
      const files = small.client.agent(AGENT).files
      for (const [path, body] of load.acknowledged) expect(await files.readText(path)).toBe(body)
    } finally {
      await small.stop()
    }
  }, 300_000)
})
