import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory, waitFor } from '@agentfs/testkit'
import { acceptanceConfig } from './harness/config.js'
import { filesBelow } from './harness/files-on-disk.js'
import { Machine } from './harness/machine.js'
import { type Finished, run } from './harness/process.js'
import { ROOT, Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
/** The tenant that is checked. */
let checked: string
let machine: Machine

beforeAll(async () => {
  directory = await temporaryDirectory('fsck')
  service = await Service.start({ home: join(directory.path, 'service') })
  const signup = await service.signup('checked')
  ;({ client, tenantId: checked } = signup)
  await client.createAgent({ name: 'checked' })
  machine = new Machine({ home: join(directory.path, 'm'), service, token: signup.key, agent: 'checked' })
  const { files } = client.agent('checked')
  for (const name of ['a', 'b', 'c']) await files.write(`${name}.md`, `content of ${name}`)
  await client.agent('checked').flush({ until: 'stored' })
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

/** A command on the stopped service's state. */
function server(...args: string[]): Promise<Finished> {
  const { path, home } = acceptanceConfig()
  return run(process.execPath, [join(ROOT, 'apps/server/bin/agentfs-server.mjs'), ...args], {
    env: { PATH: path, HOME: home, NODE_NO_WARNINGS: '1', AGENTFS_HOME: service.home },
    limitMs: 90_000,
  })
}

const objects = (): Promise<string[]> => filesBelow(join(service.home, 'objects'))

describe('fsck, erasure and rotation', () => {
  it('[ENC-3] rm --erase asks first; then the file and its versions are gone for good', async () => {
    const { files } = client.agent('checked')
    const { version } = await files.stat('c.md')
    const refused = await machine.cli(['rm', '--erase', 'c.md'])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    expect(await machine.cli(['rm', '--erase', '--yes', 'c.md'])).toMatchObject({ code: 0 })
    const gone = await machine.cli(['restore', 'c.md', '--file-version', version ?? ''])
    expect(gone.code).not.toBe(0)
    await expect(files.read('c.md')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('[DUR-1] exits 0 on a clean store, 1 and names the object where a byte is not as it was written', async () => {
    await service.stop()
    const clean = await server('fsck')
    expect(clean).toMatchObject({ code: 0 })
    expect(clean.stdout).toMatch(/^clean: 1 tenant,/m)
    for (const path of await objects()) {
      const bytes = await readFile(path)
      const damaged = Buffer.from(bytes)
      const middle = Math.floor(bytes.length / 2)
      damaged[middle] = damaged[middle]! ^ 1
      await writeFile(path, damaged)
    }
    const found = await server('fsck', '--json')
    expect(found.code).toBe(1)
    const lines = found.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { object?: string; kind?: string; ok?: boolean })
    const named = new Set(lines.map(({ object }) => object))
    const unnamed: string[] = []
    for (const path of await objects()) {
      const object = relative(join(service.home, 'objects'), path)
      const naming = [...named].filter((name) => name !== undefined && object.endsWith(name))
      expect(naming.length).toBeLessThanOrEqual(1)
      if (naming.length === 0) unnamed.push(path)
    }
    expect(lines.at(-1)).toMatchObject({ ok: false })
    for (const path of await objects()) {
      const bytes = await readFile(path)
      const middle = Math.floor(bytes.length / 2)
      bytes[middle] = bytes[middle]! ^ 1
      await writeFile(path, bytes)
    }
    // What is not named is what a packer left that lost to another one: nothing misses it.
    expect(unnamed.filter((path) => !path.includes('/seg/'))).toEqual([])
    for (const path of unnamed) await rm(path)
    expect((await server('fsck', '--quick')).code).toBe(0)
  })

  it('[DUR-1] names an object that is gone, and says after a restore what to do', async () => {
    const [segment] = (await objects()).filter((path) => path.includes('/seg/'))
    const bytes = await readFile(segment!)
    await rm(segment!)
    const found = await server('fsck', '--quick', '--after-restore')
    const plain = await server('fsck', '--quick')
    await writeFile(segment!, bytes)
    expect(found.code).toBe(1)
    expect(found.stdout).toMatch(
      /the object is not there; needed by [abc]\.md, version 1.*, of agent checked/,
    )
    expect(found.stdout).toContain('agentfs-server recover')
    expect(plain.stdout).toMatch(/^1 fault: 1 tenant, .*\nPut each object back from a copy/m)
  })

  it('[ENC-4] keys and root key rotate on the stopped service; contents are not written, and all opens after', async () => {
    const before = (await objects()).filter((path) => !path.includes('/keys/'))
    const planned = await server('maintenance', 'rotate-keys', '--dry-run')
    expect(planned).toMatchObject({ code: 0 })
    expect(await server('maintenance', 'rotate-keys', '--all')).toMatchObject({ code: 0 })
    expect(await server('maintenance', 'rotate-keys', '--root')).toMatchObject({ code: 0 })
    expect((await objects()).filter((path) => !path.includes('/keys/'))).toEqual(before)
    expect(await server('fsck')).toMatchObject({ code: 0 })
    await service.start()
    expect(Buffer.from((await client.agent('checked').files.read('a.md')).bytes).toString()).toBe(
      'content of a',
    )
  })
  it('[ENC-3] tenant erase asks first; then a mount of the tenant opens nothing, and the address is free', async () => {
    const { key, tenantId } = await service.signup('leaving')
    const leaving = new Machine({ home: join(directory.path, 'l'), service, token: key, agent: 'home' })
    const mount = await leaving.mount()
    expect(await mount.output('echo secret > a.md && cat a.md')).toBe('secret\n')
    expect((await leaving.cli(['sync', mount.directory])).code).toBe(0)
    const unasked = await leaving.cli(['tenant', 'erase', 'leaving'])
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as unknown as string })
    const misnamed = await leaving.cli(['tenant', 'erase', 'Leaving', '--yes'])
    expect(misnamed).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"leaving"') as unknown as string,
    })
    const erased = await leaving.cli(['tenant', 'erase', 'leaving', '--yes'])
    expect(erased).toMatchObject({ code: 0, stdout: 'erased leaving\n' })
    await waitFor(async () => (await mount.shell('cat a.md')).code !== 0, {
      deadlineMs: 5_000,
      what: 'the mount to refuse',
    })
    await mount.unmount()
    expect((await leaving.cli(['whoami'])).code).toBe(4)
    expect((await service.signup('leaving')).tenantId).not.toBe(tenantId)
  })

  it('[ENC-3] an operator erases a tenant on the stopped service, and the list says who erased which', async () => {
    await service.stop()
    const erase = ['maintenance', 'erase-tenant', '--tenant', checked]
    expect(await server(...erase)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--name') as unknown as string,
    })
    expect(await server(...erase, '--name', 'checked')).toMatchObject({ code: 0 })
    const list = await server('maintenance', 'erase-tenant', '--list')
    expect(list.stdout.trimEnd().split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(`^${checked} .* tenant erased by the operator, service operator,`),
        expect.stringMatching(/^\S+ \S+ tenant erased by its owner, key \S+, request/),
      ]),
    )
    const clean = await server('fsck')
    expect(clean).toMatchObject({ code: 0 })
    expect(clean.stdout).not.toContain('ahead')
    // One tenant is left, and all that the chore counts is printed, zeros too.
    const images = await server('maintenance', 'images', '--json')
    expect(JSON.parse(images.stdout)).toMatchObject({
      tenants: 1,
      counts: { images: 0, imageBytes: 0, lost: 0 },
    })
  }, 240_000)
})
