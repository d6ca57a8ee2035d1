import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MirrorStatus } from '@agentfs/contracts'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory, waitFor } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { filesBelow, filesThatHold } from './harness/files-on-disk.js'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'

const SECRET = 'PLAINTEXT-OF-A-MIRRORED-FILE'
const DEADLINE_MS = 30_000

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let machine: Machine

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({
    home: join(directory.path, 'service'),
    environment: { AGENTFS_MIRROR_TARGETS: `shelf=file://${join(directory.path, 'shelf')}` },
  })
  const { client: own, key } = await service.signup('mirror')
  client = own
  await client.createAgent({ name: 'reader' })
  machine = new Machine({ home: join(directory.path, 'm1'), service, token: key, agent: 'reader' })
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

async function untilFollowing(): Promise<MirrorStatus> {
  return waitFor(
    async () => {
      const { code, stdout } = await machine.cli(['agents', 'mirror', 'status', 'reader', '--json'])
      expect(code).toBe(0)
      const status = JSON.parse(stdout) as MirrorStatus
      return status.state === 'following' && status.seq === status.head ? status : undefined
    },
    { deadlineMs: DEADLINE_MS, what: 'the mirror to follow' },
  )
}

describe('[ENC-1] the open mirror', () => {
  it('asks for consent to plaintext, and knows only the targets of the operator', async () => {
    await expect(client.setMirror('reader', { enabled: true })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    await expect(
      client.setMirror('reader', { enabled: true, acceptPlaintext: true, target: 'file:///etc' }),
    ).rejects.toMatchObject({ code: 'invalid_request' })
    expect((await machine.cli(['agents', 'mirror', 'on', 'reader'])).code).toBe(2)
  })

  it('shows in a folder of the operator what was written on a mount, until it is erased or switched off', async () => {
    const mount = await machine.mount()
    expect(
      (await mount.shell(`mkdir notes && printf '%s' '---\ntitle: Hello\n---\n${SECRET}' > notes/a.md`)).code,
    ).toBe(0)
    expect((await mount.shell(`printf '${SECRET} 2' > gone.md`)).code).toBe(0)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(0)
    expect(
      (await machine.cli(['agents', 'mirror', 'on', 'reader', '--accept-plaintext', '--target', 'shelf']))
        .code,
    ).toBe(0)
    const { documents } = await untilFollowing()
    expect(documents).toBe(2)
    const shelf = join(directory.path, 'shelf', 'mirror')
    const [notes = ''] = (await filesBelow(shelf)).filter((path) => path.endsWith('/notes/a.md'))
    const document = await readFile(notes, 'utf8')
    expect(document).toMatch(
      /^---\ntitle: Hello\nagentfs: \{"v": 1, .*"path": "notes\/a\.md".*\}\n---\nPLAINTEXT/,
    )
    expect(await filesThatHold(service.home, SECRET)).toEqual([])

    expect((await mount.shell('mv notes moved && printf more >> moved/a.md')).code).toBe(0)
    expect((await machine.cli(['sync', mount.directory])).code).toBe(0)
    expect((await machine.cli(['rm', '--erase', '--yes', 'gone.md'])).code).toBe(0)
    await untilFollowing()
    const after = await filesBelow(shelf)
    expect(after).toHaveLength(1)
    expect(await readFile(after[0] ?? '', 'utf8')).toMatch(/PLAINTEXT-OF-A-MIRRORED-FILEmore$/)
    await mount.unmount()

    expect((await machine.cli(['agents', 'mirror', 'off', 'reader'])).code).toBe(0)
    await waitFor(async () => (await filesBelow(shelf)).length === 0, {
      deadlineMs: DEADLINE_MS,
      what: 'the documents to go',
    })
  })
})
