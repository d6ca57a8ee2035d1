import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { isAgentfsError } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { filesBelow, filesThatHold } from './harness/files-on-disk.js'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'

const SECRET = 'PLAINTEXT-THAT-MUST-NOT-BE-FOUND'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ;({ client, key } = await service.signup('acme'))
  await client.createAgent({ name: 'storage' })
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

const objects = (): string => join(service.home, 'objects')

describe('storage', () => {
  it('100 files of 1 KB, written on a mount and flushed, cost at most 2 PUTs', async () => {
    const machine = new Machine({ home: join(directory.path, 'm1'), service, token: key, agent: 'storage' })
    const mount = await machine.mount()
    // What a new agent costs once, its name in the tenant's stream, is stored with the first thing of it.
    await client.agent('storage').files.write('first.md', 'first')
    await client.agent('storage').flush({ until: 'stored' })
    const before = (await filesBelow(objects())).length
    const done = await mount.shell(
      `for i in $(seq 100); do { echo "${SECRET} $i"; head -c 980 /dev/zero | tr '\\0' 'x'; } > file-$i.md; done`,
    )
    expect(done.code).toBe(0)
    expect((await machine.cli(['sync', mount.directory, '--until=stored'])).code).toBe(0)
    const after = await filesBelow(objects())
    expect(after.length - before).toBeGreaterThan(0)
    expect(after.length - before).toBeLessThanOrEqual(2)
    expect((await client.agent('storage').files.stat('file-100.md')).state).toBe('stored')
    await mount.unmount()
  })

  it('[ENC-1] neither the object store nor Postgres nor the logs hold plaintext', async () => {
    await client.agent('storage').files.write('direct.md', `${SECRET} over REST`)
    await client.agent('storage').flush({ until: 'stored' })
    expect(await filesThatHold(service.home, SECRET)).toEqual([])
  })

  it('[ENC-1] nor does the client store on a machine', async () => {
    expect(await filesThatHold(join(directory.path, 'm1', '.local'), SECRET)).toEqual([])
  })

  it('[ENC-2] a flipped byte is refused by name, and the rest stays readable', async () => {
    const agent = await client.createAgent({ name: 'flipped' })
    const files = client.agent('flipped').files
    const content = 'f'.repeat(200_000)
    await files.write('large.md', content)
    await client.agent('flipped').flush({ until: 'stored' })
    await service.stop()
    const segments = (await filesBelow(objects())).filter((path) => path.includes(`/${agent.id}/seg/`))
    const sizes = await Promise.all(segments.map(async (path) => ({ path, bytes: await readFile(path) })))
    const largest = sizes.sort((a, b) => b.bytes.length - a.bytes.length)[0]
    if (largest === undefined) throw new Error('there is no segment')
    const damaged = Buffer.from(largest.bytes)
    damaged[100_000] = (damaged[100_000] ?? 0) ^ 1
    await writeFile(largest.path, damaged)
    await service.start()
    const refused = await files.read('large.md').then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(isAgentfsError(refused, 'object_corrupt')).toBe(true)
    await writeFile(largest.path, largest.bytes)
    await service.stop()
    await service.start()
    expect(await files.readText('large.md')).toBe(content)
  })

  it('[DUR-1] after a restart from disk everything is there', async () => {
    await service.stop()
    await service.start()
    expect(await client.agent('storage').files.readText('direct.md')).toBe(`${SECRET} over REST`)
  })
})
