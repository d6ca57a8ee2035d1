import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'
import { settled } from './harness/settle.js'
import { TcpProxy } from './harness/tcp-proxy.js'

const MIB = 1_048_576
const JOURNAL_MIB = 8
const FILE_MIB = 40
const LIMIT_MS = 150_000

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let line: TcpProxy
let machine: Machine

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  let key: string
  ;({ client, key } = await service.signup('bound'))
  line = await TcpProxy.start(service.port)
  const home = join(directory.path, 'machine')
  machine = new Machine({ home, service, token: key, agent: 'bound', url: line.url })
})

afterAll(async () => {
  await machine?.close()
  await line?.close()
  await service?.stop()
  await directory?.remove()
})

/** Bytes of which no two parts are alike, made by a command that any machine has. */
const numbers = (megabytes: number): string => `seq 1 100000000 | head -c ${megabytes * MIB}`

describe('a journal of 8 MiB', () => {
  it(
    '[VIS-4] a file of 40 MiB passes through it: its writer is slowed down to what goes up, and interrupted by Ctrl-C',
    async () => {
      const mount = await machine.mount('memory', [`--journal-size=${JOURNAL_MIB}M`])
      const summed = await mount.output(`${numbers(FILE_MIB)} | tee large.txt | sha256sum`, {
        limitMs: LIMIT_MS,
      })
      await settled(machine, LIMIT_MS)
      const sum = createHash('sha256')
      const { body } = await client.agent('bound').files.open('large.txt', { timeoutMs: LIMIT_MS })
      for await (const piece of body as unknown as AsyncIterable<Uint8Array>) sum.update(piece)
      expect(sum.digest('hex')).toBe(summed.slice(0, 64))
      expect((await machine.onlyStatus()).rejected).toBe(0)
      // The line is silent, which nobody knows yet: a writer that waits for what will not come is let go by an interrupt.
      line.silence()
      const interrupted = await mount.shell(
        `timeout -s INT 2 dd if=/dev/zero of=waiting.bin bs=1M count=${FILE_MIB} status=none`,
        { limitMs: 20_000 },
      )
      expect(interrupted.signal).toBeNull()
      await line.mend()
      await settled(machine, LIMIT_MS)
    },
    2 * LIMIT_MS,
  )

  it(
    '[VIS-4] offline it answers ENOSPC before it overruns, and what was written goes up once the service is back',
    async () => {
      const mount = machine.latest
      await line.cut()
      const failed = await mount.shell(
        `for i in $(seq 1 ${3 * JOURNAL_MIB}); do ${numbers(1)} > part-$i.txt && echo part-$i.txt || exit 1; done`,
        { limitMs: LIMIT_MS },
      )
      expect(failed.stderr).toMatch(/No space left on device/)
      const written = failed.stdout.split('\n').filter((name) => name !== '')
      expect(written.length).toBeGreaterThan(JOURNAL_MIB / 2)
      expect(written.length).toBeLessThanOrEqual(JOURNAL_MIB)
      await line.mend()
      await settled(machine, LIMIT_MS)
      const whole = await client.agent('bound').files.read(written[0] ?? '')
      for (const name of written) {
        expect(Buffer.compare((await client.agent('bound').files.read(name)).bytes, whole.bytes)).toBe(0)
      }
      expect(whole.bytes).toHaveLength(MIB)
    },
    2 * LIMIT_MS,
  )
})
