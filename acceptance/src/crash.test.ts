import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { AgentfsClient } from '@agentfs/sdk'
import { seededRandom, temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { acceptanceConfig } from './harness/config.js'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'

/** Rounds per kind of kill; the nightly run asks for more. */
const { killRounds: ROUNDS, seed: SEED } = acceptanceConfig()

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('crash'))
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

const body = (name: string): string =>
  `${name} ${createHash('sha256').update(name).digest('hex')}\n`.repeat(20)
const pause = (ms: number): Promise<void> => setTimeout(ms)

describe(`[DUR-1] kill -9, seed ${SEED}`, () => {
  it(`of the service, ${ROUNDS} rounds: every acknowledged write is there with exact bytes`, async () => {
    const next = seededRandom(SEED)
    await client.createAgent({ name: 'service-kill' })
    const files = client.agent('service-kill').files
    const acknowledged: string[] = []
    let counted = 0
    for (let round = 0; round < ROUNDS * 4 && counted < ROUNDS; round++) {
      const before = acknowledged.length
      let stopped = false
      let outstanding = 0
      const writer = async (lane: number): Promise<void> => {
        for (let at = 0; !stopped; at++) {
          const name = `r${round}-${lane}-${at}.md`
          outstanding++
          try {
            await files.write(name, body(name))
            acknowledged.push(name)
          } catch {
            stopped = true
          } finally {
            outstanding--
          }
        }
      }
      const writers = [writer(0), writer(1), writer(2)]
      await pause(100 + next() * 400)
      const inFlight = outstanding
      await service.stop('SIGKILL')
      stopped = true
      await Promise.all(writers)
      await service.start()
      if (acknowledged.length > before && inFlight > 0) counted++
      for (const name of acknowledged.slice(before)) expect(await files.readText(name)).toBe(body(name))
    }
    expect(counted).toBe(ROUNDS)
    await client.agent('service-kill').flush({ until: 'stored' })
    for (const name of acknowledged) expect(await files.readText(name)).toBe(body(name))
  }, 600_000)

  it(`of the client, ${ROUNDS} rounds: every write that returned is there after the next mount`, async () => {
    const next = seededRandom(SEED + 1)
    const machine = new Machine({
      home: join(directory.path, 'killed'),
      service,
      token: key,
      agent: 'client-kill',
    })
    const returned: string[] = []
    let counted = 0
    for (let round = 0; round < ROUNDS * 4 && counted < ROUNDS; round++) {
      const mount = await machine.mount()
      const script = `for i in $(seq 5000); do
          n=r${round}-$i.md
          h=$(printf %s "$n" | sha256sum | cut -d' ' -f1)
          for k in $(seq 20); do echo "$n $h"; done > "$n" && echo "$n" || exit
        done`
      const writing = mount.shell(script)
      await pause(150 + next() * 500)
      const status = JSON.parse((await machine.cli(['status', '--json'])).stdout) as {
        mounts: { journaled: number }[]
      }
      await mount.kill()
      const names = (await writing).stdout.split('\n').filter((name) => name !== '')
      returned.push(...names)
      if (names.length > 0 && (status.mounts[0]?.journaled ?? 0) > 0) counted++
      const again = await machine.mount()
      for (const name of names) {
        expect((await again.shell(`cat ${name}`)).stdout).toBe(body(name))
      }
      expect((await again.unmount()).code).toBe(0)
    }
    expect(counted).toBe(ROUNDS)
    const files = client.agent('client-kill').files
    for (const name of returned) expect(await files.readText(name)).toBe(body(name))
  }, 600_000)

  it(`of Postgres, ${ROUNDS} rounds: the service recovers by itself or says why, and nothing acknowledged is lost`, async () => {
    const next = seededRandom(SEED + 2)
    await client.createAgent({ name: 'postgres-kill' })
    const files = client.agent('postgres-kill').files
    const acknowledged: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const before = acknowledged.length
      let stopped = false
      const writer = (async () => {
        for (let at = 0; !stopped; at++) {
          const name = `p${round}-${at}.md`
          try {
            await files.write(name, body(name))
            acknowledged.push(name)
          } catch {
            return
          }
        }
      })()
      await waitFor(() => acknowledged.length > before + 5, { deadlineMs: 20_000, what: 'some writes' })
      await pause(next() * 200)
      const pidFile = await readFile(join(service.home, 'postgres', 'postmaster.pid'), 'utf8').catch(
        async () => readFile(join(service.home, 'postgres', 'data', 'postmaster.pid'), 'utf8'),
      )
      process.kill(Number(pidFile.split('\n')[0]), 'SIGKILL')
      stopped = true
      await writer
      await service.stop('SIGKILL')
      await service.start()
      for (const name of acknowledged.slice(before)) expect(await files.readText(name)).toBe(body(name))
    }
    expect(acknowledged.length).toBeGreaterThan(0)
  }, 600_000)
})
