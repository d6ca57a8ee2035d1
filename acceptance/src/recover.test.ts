import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Machine, type Mount } from './harness/machine.js'
import { Service } from './harness/service.js'
import { settled, shows } from './harness/settle.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let machine: Machine
let mount: Mount

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  const tenant = await service.signup('acme')
  client = tenant.client
  await client.createAgent({ name: 'kept' })
  machine = new Machine({ home: join(directory.path, 'm1'), service, token: tenant.key, agent: 'kept' })
  mount = await machine.mount()
})

afterAll(async () => {
  await machine?.close()
  await service?.stop()
  await directory?.remove()
})

/** All that REST shows of the agent: the tree, each file's content and versions. */
async function everything(): Promise<unknown> {
  const { files } = client.agent('kept')
  const shown = []
  for await (const stat of files.walk()) {
    const { node, path, kind, size, version, number, createdAt, modifiedAt, modifiedBy } = stat
    shown.push({ node, path, kind, size, version, number, createdAt, modifiedAt, modifiedBy })
  }
  const contents: Record<string, unknown> = {}
  for (const { path, kind } of shown) {
    if (kind !== 'file') continue
    const versions = (await files.versions(path)).data.map(
      ({ version, number, parents, size, author, at }) => {
        return { version, number, parents, size, author, at }
      },
    )
    contents[path] = { text: Buffer.from((await files.read(path)).bytes).toString('base64'), versions }
  }
  return { shown, contents }
}

describe('[DUR-6] a service whose database is lost', () => {
  it('is rebuilt from its objects and keys, equal, with a mount connected throughout', async () => {
    await mount.output(
      'mkdir -p notes/deep && echo one > notes/a.md && echo two >> notes/a.md && echo gone > gone.md && ' +
        'ln -s notes/a.md link && head -c 2500000 /dev/urandom > large.bin && rm gone.md && mv notes/a.md notes/b.md',
    )
    await settled(machine)
    for (let version = 1; version <= 5; version++)
      await client.agent('kept').files.write('versions.md', `v${version}`)
    await settled(machine)
    await client.agent('kept').flush({ until: 'stored' })
    const before = await everything()

    await service.stop()
    // Written while the service is gone: laid on top of whatever it is when it is back.
    await mount.output('echo offline > offline.md')
    await rm(join(service.home, 'postgres'), { recursive: true })
    const done = await service.command('recover', '--json')
    expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 })
    const report = JSON.parse(done.stdout) as { ok: boolean; losses: unknown[]; tenants: unknown[] }
    expect(report).toMatchObject({ ok: true, losses: [] })
    expect(report.tenants).toHaveLength(1)

    await service.start()
    await settled(machine, 60_000)
    await shows(mount, 'cat offline.md notes/b.md versions.md', 'offline\none\ntwo\nv5', 20_000)
    await shows(mount, 'ls gone.md 2>/dev/null | wc -l', '0\n')
    const { files } = client.agent('kept')
    expect(await files.readText('offline.md')).toBe('offline\n')
    await files.remove('offline.md')
    expect(await everything()).toEqual(before)
    await mount.output('echo after > after.md')
    await settled(machine)
    expect(await files.readText('after.md')).toBe('after\n')
    expect((await machine.onlyStatus()).rejected).toBe(0)
  })

  it('is not begun anew by mistake: start refuses an empty database beside a full object store', async () => {
    await service.stop()
    // A checkpoint may have proven what was not stored yet, and recover would rightly miss it.
    expect((await service.command('maintenance', 'pack')).code).toBe(0)
    const { stderr: inUse } = await service.command('recover')
    expect(inUse).toContain('the database is not empty')
    expect(inUse).not.toContain('service secrets')
    await rm(join(service.home, 'postgres'), { recursive: true })
    const refused = await service.command('start')
    expect(refused.code).toBe(1)
    expect(refused.stdout + refused.stderr).toContain('agentfs-server recover')
    const { code, stdout } = await service.command('recover')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    await service.start()
  })

  it('restored from an older backup it is rolled forward before it serves, with the mount connected', async () => {
    const [postgres, backup] = [join(service.home, 'postgres'), join(directory.path, 'backup')]
    await service.stop()
    await cp(postgres, backup, { recursive: true, preserveTimestamps: true })
    await service.start()
    await settled(machine, 60_000)
    const { rejected } = await machine.onlyStatus()
    await mount.output('echo since > since.md && mv notes/b.md moved.md && rm versions.md')
    await settled(machine)
    const newer = client.agent((await client.createAgent({ name: 'newer' })).id)
    await newer.files.write('its.md', 'its')
    await newer.flush({ until: 'stored' })
    await client.agent('kept').flush({ until: 'stored' })
    const before = await everything()
    await service.stop()
    const packed = await service.command('maintenance', 'pack')
    expect({ code: packed.code, stderr: packed.stderr }).toMatchObject({ code: 0 })
    await mount.output('echo offline > meanwhile.md')

    await rm(postgres, { recursive: true })
    await rename(backup, postgres)
    expect((await service.command('recover')).stderr).toContain('--roll-forward')
    await service.start()
    expect(service.output).toContain('rolling it forward')
    await settled(machine, 60_000)
    expect(await newer.files.readText('its.md')).toBe('its')
    const { files } = client.agent('kept')
    expect(await files.readText('meanwhile.md')).toBe('offline\n')
    await files.remove('meanwhile.md')
    expect(await everything()).toEqual(before)
    await shows(mount, 'cat since.md moved.md', 'since\none\ntwo\n', 20_000)
    expect((await machine.onlyStatus()).rejected).toBe(rejected)

    // Once more by hand, of a database that has all of it: nothing changes.
    await service.stop()
    const again = await service.command('recover', '--roll-forward', '--json')
    expect({ code: again.code, stderr: again.stderr }).toMatchObject({ code: 0 })
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, losses: [] })
    await service.start()
    expect(service.output).not.toContain('rolling it forward')
    expect(await everything()).toEqual(before)
  })
})
