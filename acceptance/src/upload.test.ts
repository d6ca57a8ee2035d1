import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { AgentfsClient, type UploadProgress } from '@agentfs/sdk'
import { type MachineOnLine, Site } from './harness/site.js'

const MIB = 1_048_576
const PARTS = 12
const LIMIT_MS = 150_000

let site: Site
beforeAll(async () => {
  site = await Site.start('upload')
})
afterEach(() => site.tidy())
afterAll(() => site?.stop())

async function machineOf(agent: string): Promise<MachineOnLine> {
  await site.client.createAgent({ name: agent })
  return site.machineOnLine(agent)
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The SDK at the end of a line: the parts that it sent, and those among them that had been answered before. */
function sdkOn(url: string): { client: AgentfsClient; sent: string[]; resent: string[] } {
  const sent: string[] = []
  const resent: string[] = []
  const answered = new Set<string>()
  const watching: typeof fetch = async (input, init) => {
    const part = /\/parts\/([0-9a-f-]{36})/.exec(input instanceof Request ? input.url : input.toString())?.[1]
    if (part === undefined) return fetch(input, init)
    sent.push(part)
    if (answered.has(part)) resent.push(part)
    const answer = await fetch(input, init)
    if (answer.ok) answered.add(part)
    return answer
  }
  return { client: new AgentfsClient({ url, token: site.key, fetch: watching }), sent, resent }
}

describe('an upload by parts', () => {
  it(
    '[SY-13] goes on where the connection was cut: what arrived is not sent again, and the file changes once',
    async () => {
      const { line, files } = await machineOf('cut')
      const { client, sent, resent } = sdkOn(line.url)
      const bytes = randomBytes(PARTS * MIB + 5)
      const seen: UploadProgress[] = []
      let isCut = false
      const cut = Promise.withResolvers<void>()
      const onProgress = (progress: UploadProgress): void => {
        seen.push(progress)
        if (isCut || progress.bytes < 3 * MIB) return
        isCut = true
        line
          .cut()
          .then(() => line.mend())
          .then(cut.resolve, cut.reject)
      }
      const answer = await client.agent('cut').files.upload('large.bin', bytes, { onProgress, parents: true })
      await cut.promise
      expect(answer.number).toBe(1)
      expect(seen.at(-1)).toEqual({ bytes: bytes.length, bytesOf: bytes.length })
      expect(new Set(sent).size).toBe(PARTS + 1)
      // What was under way at the cut went up again, what had arrived did not.
      expect(sent.length).toBeGreaterThan(PARTS + 1)
      expect(resent).toEqual([])
      const stored = await files.read('large.bin', { timeoutMs: LIMIT_MS })
      expect(sha256(stored.bytes)).toBe(sha256(bytes))
      expect((await files.versions('large.bin')).data).toHaveLength(1)
    },
    LIMIT_MS,
  )

  it(
    'ends at once when it is aborted, and leaves the file as it was',
    async () => {
      const { line, files } = await machineOf('aborted')
      const { client } = sdkOn(line.url)
      await files.write('large.bin', 'before')
      const stop = new AbortController()
      const uploading = client.agent('aborted').files.upload('large.bin', randomBytes(8 * MIB), {
        signal: stop.signal,
        onProgress: ({ bytes }) => void (bytes >= 2 * MIB && stop.abort(new Error('enough'))),
      })
      await expect(uploading).rejects.toThrow('enough')
      expect(await files.readText('large.bin')).toBe('before')
    },
    LIMIT_MS,
  )

  it(
    '`put` sends a file by parts, zeros as holes, and standard input too',
    async () => {
      const { machine, files } = await machineOf('put')
      const bytes = Buffer.concat([randomBytes(MIB), Buffer.alloc(2 * MIB), randomBytes(7)])
      const local = join(machine.home, 'local.bin')
      await mkdir(machine.home, { recursive: true })
      await writeFile(local, bytes)
      const done = await machine.cli(['put', local, 'deep/remote.bin', '--parents', '--json'], {
        limitMs: LIMIT_MS,
      })
      expect([done.code, done.stderr]).toEqual([0, expect.any(String)])
      expect(sha256((await files.read('deep/remote.bin')).bytes)).toBe(sha256(bytes))
      const text = 'a line of text\n'.repeat(100_000)
      const piped = await machine.cli(['put', '-', 'piped.txt'], { input: text, limitMs: LIMIT_MS })
      expect(piped.code).toBe(0)
      expect(await files.readText('piped.txt')).toBe(text)
    },
    LIMIT_MS,
  )
})
