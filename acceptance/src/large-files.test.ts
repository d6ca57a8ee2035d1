import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Service } from './harness/service.js'

const MIB = 1_048_576
const FILE_MIB = 256
/** What the service promises for a file of any size; whoever held a whole one would gain at least 256 MiB. */
const GAIN_MAX_MIB = 64
const TIMEOUT_MS = 240_000

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client } = await service.signup('acme'))
  await client.createAgent({ name: 'large' })
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

/** Resident memory of the service, in MiB. */
function residentMib(): number {
  const status = readFileSync(`/proc/${service.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** How far the service's memory rises above where it began, at most, while something runs. */
async function memoryGained(run: () => Promise<void>): Promise<number> {
  const before = residentMib()
  let most = before
  const look = setInterval(() => {
    most = Math.max(most, residentMib())
  }, 50)
  try {
    await run()
  } finally {
    clearInterval(look)
  }
  return most - before
}

/** Pieces of 1 MiB, no two of them alike; `each` sees them go by. */
function content(each: (piece: Uint8Array) => void): ReadableStream<Uint8Array> {
  let index = 0
  return new ReadableStream({
    pull(controller) {
      if (index === FILE_MIB) {
        controller.close()
        return
      }
      const piece = new Uint8Array(MIB).fill(index)
      new DataView(piece.buffer).setUint32(0, index++)
      each(piece)
      controller.enqueue(piece)
    },
  })
}

describe('a file of 256 MiB', () => {
  it(
    'goes in, is appended to and comes out as it was, while the memory of the service stays flat',
    async () => {
      const { files } = client.agent('large')
      await files.write('warm', new Uint8Array(8 * MIB), { timeoutMs: TIMEOUT_MS })
      await files.read('warm')
      const sent = createHash('sha256')
      const written = await memoryGained(async () => {
        const body = content((piece) => void sent.update(piece))
        await files.write('large', body, { timeoutMs: TIMEOUT_MS })
      })
      expect(written).toBeLessThan(GAIN_MAX_MIB)
      const line = 'one more line\n'
      expect((await files.append('large', line)).offset).toBe(FILE_MIB * MIB)
      sent.update(line)
      const got = createHash('sha256')
      const read = await memoryGained(async () => {
        const { body } = await files.open('large', { timeoutMs: TIMEOUT_MS })
        if (body === null) throw new Error('the answer has no body')
        for await (const piece of body as unknown as AsyncIterable<Uint8Array>) got.update(piece)
      })
      expect(read).toBeLessThan(GAIN_MAX_MIB)
      expect(got.digest('hex')).toBe(sent.digest('hex'))
    },
    TIMEOUT_MS,
  )

  it('[CON-2] an append with an Idempotency-Key that is sent again is carried out once, small or large', async () => {
    const { files } = client.agent('large')
    for (const [key, bytes] of [
      ['small', Buffer.from('a line\n')],
      ['large', Buffer.alloc(3 * MIB, 'x')],
    ] as const) {
      const options = { idempotencyKey: `append-${key}` }
      const first = await files.append(`${key}.log`, bytes, options)
      expect(await files.append(`${key}.log`, bytes, options)).toEqual(first)
      expect((await files.stat(`${key}.log`)).size).toBe(bytes.length)
    }
  })
})
