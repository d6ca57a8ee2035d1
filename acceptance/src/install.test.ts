import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { run, type Finished, type Running } from './harness/process.js'
import { nodesAtHand, SecondMachine } from './harness/second-machine.js'
import { ROOT, Service } from './harness/service.js'

const NODES = await nodesAtHand()

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let key: string

/** Makes the downloads as `npm start` does. */
async function pack(...args: readonly string[]): Promise<Finished> {
  return run(process.execPath, [join(ROOT, 'scripts/package-client.mjs'), ...args], { limitMs: 120_000 })
}

beforeAll(async () => {
  const packed = await pack()
  if (packed.code !== 0) throw new Error(packed.stderr)
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  const tenant = await service.signup('acme')
  client = tenant.client
  key = tenant.key
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

describe.each(NODES)('a second machine with Node $version', (node) => {
  let machine: SecondMachine
  let installed: Finished
  let loggedIn: Finished
  let mount: Running | undefined
  const agent = `second-${node.version}`

  beforeAll(async () => {
    machine = await SecondMachine.make(join(directory.path, agent), node, service)
    installed = await machine.install()
    loggedIn = await machine.shell(`agentfs-client login --url '${service.url}' --token -`, key)
  })
  afterAll(async () => {
    await mount?.end()
  })

  /** What a command prints; a failure shows all it said. */
  async function prints(command: string, input?: string): Promise<string> {
    const { code, stdout, stderr } = await machine.shell(command, input)
    if (code !== 0) throw new Error(`${command}: ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  it('is set up by one line and a key', () => {
    const said = installed.stdout + installed.stderr
    expect([installed.code, said]).toEqual([0, expect.stringContaining('is installed in')])
    expect([loggedIn.code, loggedIn.stderr]).toEqual([
      0,
      expect.stringContaining('The credential is kept in'),
    ])
  })

  it('runs the client under both names', async () => {
    const manifest = await readFile(join(ROOT, 'apps/agent-client/package.json'), 'utf8')
    const { version } = JSON.parse(manifest) as { version: string }
    expect(await prints('agentfs-client --version')).toBe(`${version}\n`)
    expect(await prints('agentfs --version')).toBe(`${version}\n`)
    expect(await prints('agentfs-client whoami')).toMatch(/of acme/)
  })

  it('puts and reads files', async () => {
    await client.createAgent({ name: `${agent}-files` })
    await prints(`agentfs-client --agent-id ${agent}-files put - notes.md`, 'from here\n')
    expect(await prints(`agentfs-client --agent-id ${agent}-files cat notes.md`)).toBe('from here\n')
    expect(await client.agent(`${agent}-files`).files.readText('notes.md')).toBe('from here\n')
  })

  it('mounts, and is not taken away while the mount runs', async () => {
    mount = machine.start('mount', 'memory', '--agent-id', `${agent}-mount`)
    const running = mount
    await waitFor(
      () => {
        if (!running.alive) throw new Error(`not mounted:\n${running.stdout}\n${running.stderr}`)
        return /mounted/.test(running.stdout + running.stderr)
      },
      { deadlineMs: 30_000, what: 'the mount' },
    )
    await prints('echo remembered > memory/notes.md && cat memory/notes.md && agentfs-client sync memory')
    expect(await client.agent(`${agent}-mount`).files.readText('notes.md')).toBe('remembered\n')
    const refused = await machine.install('--uninstall')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('a mount runs')])
    const ended = await running.end('SIGTERM')
    expect([ended.code, ended.signal]).toEqual([0, null])
  })

  it('installs again without loading anything', async () => {
    const again = await machine.install()
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('is here already')])
  })
})

describe('what the service hands to other machines', () => {
  it('is removed again, but for the key', async () => {
    const [node] = NODES
    if (node === undefined) throw new Error('there is no Node')
    const machine = await SecondMachine.make(join(directory.path, 'short-lived'), node, service)
    expect((await machine.install()).code).toBe(0)
    await machine.shell(`agentfs-client login --url '${service.url}' --token -`, key)
    expect((await machine.install('--uninstall')).code).toBe(0)
    expect(await readdir(join(machine.home, '.local', 'bin'))).toEqual([])
    expect(existsSync(join(machine.home, '.local', 'share', 'agentfs'))).toBe(false)
    expect(existsSync(join(machine.home, '.config', 'agentfs', 'config.json'))).toBe(true)
  })

  it('is the same archive for the same client: only what runs, owned by root, below one folder', async () => {
    const archives: Buffer[] = []
    for (const name of ['one', 'two']) {
      const folder = join(directory.path, `packed-${name}`)
      expect((await pack('--client-only', '--to', folder)).code).toBe(0)
      archives.push(await readFile(join(folder, 'agentfs-client.tgz')))
    }
    const [one = Buffer.alloc(0), two = Buffer.alloc(0)] = archives
    expect(one.equals(two)).toBe(true)
    expect(one.length).toBeLessThan(4_000_000)
    const listed = await run('tar', ['-tvzf', join(directory.path, 'packed-one', 'agentfs-client.tgz')])
    const lines = listed.stdout.trimEnd().split('\n')
    for (const line of lines) expect(line).toMatch(/^-rw[x-]r-[x-]r-[x-] 0\/0 .* agentfs-client\/[^.]/)
    expect(listed.stdout).not.toMatch(/\.test\.js|\.d\.ts|\.map$|\.\.\//m)
    for (const name of [
      'LICENSE',
      'bin/agentfs-client.mjs',
      'node_modules/@agentfs/fuse/dist/notifier-worker.js',
    ])
      expect(listed.stdout).toContain(` agentfs-client/${name}\n`)
  })

  it('names the address that it was asked for, and none that a shell could read otherwise', async () => {
    const scriptFor = (headers: Record<string, string>): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const asked = request(`${service.url}/install.sh`, { headers }, (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        })
        asked.on('error', reject).end()
      })
    const asked = await scriptFor({ host: 'memory.example.com:8080' })
    expect([asked.status, asked.text]).toEqual([
      200,
      expect.stringContaining("\nservice='http://memory.example.com:8080'\n"),
    ])
    for (const host of ["x';reboot;'", '$(reboot)', 'a b', '`x`', 'x/y', 'x"']) {
      expect([host, (await scriptFor({ host })).status]).toEqual([host, 400])
    }
    // Nobody's proxy is believed unless the operator says so.
    const forwarded = await scriptFor({
      'x-forwarded-host': 'evil.example.com',
      'x-forwarded-proto': 'https',
    })
    expect(forwarded.text).toContain(`\nservice='${service.url}'\n`)
  })
})
