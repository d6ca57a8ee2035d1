import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { findProgram, Installation, OLD_NODE, PLATFORM, run } from '../test/installation.js'
import type { Downloads } from './downloads.js'
import { installScript } from './install-script.js'

let machine: Installation
beforeEach(async () => {
  machine = await Installation.open()
})
afterEach(() => machine.close())

const words = (text: string | RegExp): unknown => expect.stringMatching(text)

describe('install.sh', () => {
  const shells = ['dash', 'bash --posix', 'busybox ash'].filter((shell) =>
    findProgram(shell.split(' ')[0] ?? ''),
  )
  it.each(shells)('installs the client and both commands, in the shell %s', async (spelled) => {
    const [name = '', ...options] = spelled.split(' ')
    const shell = [findProgram(name) ?? name, ...options]
    const { code, output } = await machine.install(await machine.serveClient('1.0.0'), { shell })
    expect([code, output]).toEqual([0, words('agentfs-client mount ~/agent-memory')])
    expect(output).toContain(`export PATH="${machine.home}/.local/bin:$PATH"`)
    expect(output).toContain(`agentfs-client login --url '${machine.url}' --token -`)
    expect([await machine.prints(), await machine.prints('agentfs')]).toEqual(['1.0.0', '1.0.0'])
    expect((await readdir(machine.share())).sort()).toEqual(['current', 'runtimes', 'versions'])
  })

  it.each([[[]], [['curl']], [['curl', 'wget']]])('loads without %j', async (without) => {
    const path = await machine.programs({ without })
    const { code, output } = await machine.install(await machine.serveClient('1.0.0'), { path })
    expect([code, output]).toEqual([0, words('is installed in')])
    expect(await machine.prints()).toBe('1.0.0')
  })

  it('updates, keeps the version before, and removes those before that', async () => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      const { code } = await machine.install(await machine.serveClient(version))
      expect([code, await machine.prints()]).toEqual([0, version])
    }
    const versions = (await readdir(machine.share('versions'))).map((name) => name.split('-')[0])
    expect(new Set(versions)).toEqual(new Set(['1.1.0', '1.2.0']))
    expect(await realpath(machine.share('current'))).toContain('1.2.0')
  })

  it('loads nothing that is there, and mends what was broken', async () => {
    const downloads = await machine.serveClient('1.0.0')
    await machine.install(downloads)
    machine.requests = []
    expect((await machine.install(downloads)).output).toContain('here already')
    expect(machine.requests).toEqual([])
    await writeFile(machine.share('current', 'bin', 'agentfs-client.mjs'), 'broken(')
    expect((await machine.install(downloads)).code).toBe(0)
    expect(await machine.prints()).toBe('1.0.0')
  })

  it('keeps the old client where the new one is missing, cut short, another, or does not run', async () => {
    await machine.install(await machine.serveClient('1.0.0'))
    const next = await machine.serveClient('1.1.0')
    const whole = machine.served.get('/download/agentfs-client.tgz')
    const failing = await machine.serveClient('1.1.0', 'process.exit(3)')
    const other = machine.served.get('/download/agentfs-client.tgz')
    const cases: [Downloads, Buffer | undefined, string][] = [
      [next, undefined, 'could not be loaded'],
      [next, whole?.subarray(0, 100), 'is not what this script was made for'],
      [next, other, 'is not what this script was made for'],
      [failing, other, 'does not run here'],
    ]
    for (const [downloads, body, complaint] of cases) {
      machine.served.clear()
      if (body !== undefined) machine.served.set('/download/agentfs-client.tgz', body)
      const { code, output } = await machine.install(downloads)
      expect([code, output]).toEqual([1, words(complaint)])
      expect(await machine.prints()).toBe('1.0.0')
      expect(await readdir(machine.share('versions'))).toHaveLength(1)
      expect((await readdir(machine.share())).sort()).toEqual(['current', 'runtimes', 'versions'])
    }
  })

  it('does nothing when its own text is cut short', async () => {
    const text = installScript(machine.url, await machine.serveClient('1.0.0'))
    for (const portion of [0.1, 0.3, 0.6, 0.9, 0.99]) {
      await machine.runScript(text.slice(0, Math.floor(text.length * portion)))
    }
    expect(machine.requests).toEqual([])
    expect(await readdir(machine.home)).toEqual([])
  })

  it('refuses a Node before 20, one that does not run, and none, in words', async () => {
    const downloads = await machine.serveClient('1.0.0')
    const old = await machine.install(downloads, { path: await machine.programs({ node: 'echo 18.20.4' }) })
    expect([old.code, old.output]).toEqual([1, words('Node 20 or later is needed, and this is Node 18.20.4')])
    const path = await machine.programs({ node: 'exit 1' })
    expect((await machine.install(downloads, { path })).output).toContain('does not run')
    await chmod(join(path, 'node'), 0o644)
    expect((await machine.install(downloads, { path })).output).toContain('there is no node on the PATH')
    expect(await readdir(machine.home)).toEqual([])
  })

  it('brings the pinned Node where the machine has an older one, once for each version of it', async () => {
    const nodes = [machine.serveNode('24.21.0')]
    const path = await machine.programs({ node: OLD_NODE })
    const { code, output } = await machine.install(
      { ...(await machine.serveClient('1.0.0')), nodes },
      { path },
    )
    expect([code, output]).toEqual([0, words('loading Node 24.21.0 for it')])
    const node = machine.share('current', 'node_modules', 'node')
    const manifest: unknown = JSON.parse(await readFile(join(node, 'package.json'), 'utf8'))
    expect(manifest).toEqual({ name: 'node', version: '24.21.0' })
    expect((await run(join(node, 'bin', 'node'))).stdout).toBe('v24.21.0\n')
    machine.requests = []
    await machine.install({ ...(await machine.serveClient('1.1.0')), nodes }, { path })
    expect(machine.requests).toEqual(['/download/agentfs-client.tgz'])
    const newer = [machine.serveNode('24.22.0')]
    for (const version of ['1.2.0', '1.3.0']) {
      await machine.install({ ...(await machine.serveClient(version)), nodes: newer }, { path })
    }
    expect(await readdir(machine.share('runtimes'))).toEqual([`24.22.0-${PLATFORM}`])
  })

  it('says so where the service has no Node for the machine, or one that does not run', async () => {
    const downloads = await machine.serveClient('1.0.0')
    const path = await machine.programs({ node: OLD_NODE })
    const none = await machine.install(downloads, { path })
    expect([none.code, none.output]).toEqual([1, words(`has none for ${PLATFORM}`)])
    const foreign = { ...machine.serveNode('24.21.0'), version: '24.22.0' }
    const useless = await machine.install({ ...downloads, nodes: [foreign] }, { path })
    expect([useless.code, useless.output]).toEqual([1, words('does not run on this system')])
    expect(existsSync(machine.share('current'))).toBe(false)
  })

  it('leaves a command of another product alone', async () => {
    const bin = join(machine.home, '.local', 'bin')
    await mkdir(bin, { recursive: true })
    await writeFile(join(bin, 'agentfs'), '#!/bin/sh\necho another\n', { mode: 0o755 })
    const downloads = await machine.serveClient('1.0.0')
    const { code, output } = await machine.install(downloads)
    expect([code, output]).toEqual([0, words('is something else and stays as it is')])
    expect([await machine.prints('agentfs'), await machine.prints()]).toEqual(['another', '1.0.0'])
    expect((await machine.install(downloads, { args: ['--uninstall'] })).code).toBe(0)
    expect(await readdir(bin)).toEqual(['agentfs'])
  })

  it('takes everything away again but key and state, and only what it made', async () => {
    const downloads = await machine.serveClient('1.0.0')
    await machine.install(downloads)
    await mkdir(join(machine.home, '.local', 'state', 'agentfs'), { recursive: true })
    const { code, output } = await machine.install(downloads, { args: ['--uninstall'] })
    expect([code, output]).toEqual([0, words('.local/state/agentfs stays')])
    const left = (folder: string): Promise<string[]> => readdir(join(machine.home, '.local', folder))
    expect([await left('share'), await left('bin'), await left('state')]).toEqual([[], [], ['agentfs']])
    const again = await machine.install(downloads, { args: ['--uninstall'] })
    expect([again.code, again.output]).toEqual([1, words('is not installed')])
  })

  it('goes where it is told, and not into a folder that holds other things', async () => {
    const bin = machine.elsewhere('commands')
    const variables = { AGENTFS_INSTALL: machine.elsewhere('programs here'), AGENTFS_BIN: bin }
    const downloads = await machine.serveClient('1.0.0')
    expect((await machine.install(downloads, { variables })).code).toBe(0)
    expect((await run(join(bin, 'agentfs'))).stdout).toBe('1.0.0\n')
    const refused = await machine.install(downloads, { variables: { AGENTFS_INSTALL: bin } })
    expect([refused.code, refused.output]).toEqual([1, words('holds other things')])
  })

  it('names --insecure only where plain http leaves the machine', async () => {
    const text = installScript(machine.url, await machine.serveClient('1.0.0'))
    expect((await machine.runScript(text)).output).not.toContain('--insecure')
    // Installed already, so this address is not asked for anything.
    const far = await machine.runScript(text.replace(machine.url, 'http://memory.example.com'))
    expect([far.code, far.output]).toEqual([0, words('login --insecure --url')])
  })

  it.each([
    "http://x';reboot'",
    'http://x y',
    'http://$(id)',
    'file:///etc',
    'http://x\nreboot',
    'http://`id`',
    '',
  ])('is not made for the address %j', async (url) => {
    const downloads = await machine.serveClient('1.0.0')
    expect(() => installScript(url, downloads)).toThrow('no plain http or https address')
  })
})
