import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import type { AgentfsClient } from '@agentfs/sdk'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine, type Mount } from './harness/machine.js'
import { Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let client: AgentfsClient
let laptop: Machine
let cloud: Machine
let here: Mount
let there: Mount

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  const tenant = await service.signup('acme')
  client = tenant.client
  laptop = new Machine({
    home: join(directory.path, 'laptop'),
    service,
    token: tenant.key,
    agent: 'research',
  })
  cloud = new Machine({ home: join(directory.path, 'cloud'), service, token: tenant.key, agent: 'research' })
  here = await laptop.mount()
  there = await cloud.mount()
})

afterAll(async () => {
  await laptop?.close()
  await cloud?.close()
  await service?.stop()
  await directory?.remove()
})

/** What a command prints on a mount. */
async function output(mount: Mount, command: string): Promise<string> {
  const done = await mount.shell(command)
  if (done.code !== 0)
    throw new Error(`${command}: ${done.code} ${done.signal}\n${done.stdout}\n${done.stderr}`)
  return done.stdout
}

describe('the case study', () => {
  it('[VIS-2] what one machine writes the other reads a moment later, and REST too', async () => {
    await output(here, 'echo "remember the milk" > notes.md')
    await waitFor(async () => (await there.shell('cat notes.md')).stdout === 'remember the milk\n', {
      deadlineMs: 5_000,
      what: 'the other mount to show the file',
    })
    expect(await client.agent('research').files.readText('notes.md')).toBe('remember the milk\n')
  })

  it('[VIS-2] and the other way round, from REST and from the second mount', async () => {
    await client.agent('research').files.write('notes.md', 'from REST\n')
    for (const mount of [here, there]) {
      await waitFor(async () => (await mount.shell('cat notes.md')).stdout === 'from REST\n', {
        deadlineMs: 5_000,
        what: 'the mount to show what REST wrote',
      })
    }
    await output(there, 'echo more >> notes.md')
    await waitFor(async () => (await here.shell('cat notes.md')).stdout === 'from REST\nmore\n', {
      deadlineMs: 5_000,
      what: 'the appended line',
    })
    expect(await client.agent('research').files.readText('notes.md')).toBe('from REST\nmore\n')
  })

  it('[VIS-2] a reader that holds the file open sees the new bytes too', async () => {
    await output(here, 'echo first > held.md')
    await waitFor(async () => (await there.shell('cat held.md')).stdout === 'first\n', {
      deadlineMs: 5_000,
      what: 'held.md on the other mount',
    })
    const script = `exec 3< held.md; head -c 1 <&3 > /dev/null; echo second > ${here.path('held.md')}
      for i in $(seq 200); do
        python3 -c 'import os,sys; sys.stdout.buffer.write(os.pread(3,100,0))' | grep -q second && exit 0; sleep 0.02
      done; exit 1`
    const done = await there.shell(script)
    expect(done.code).toBe(0)
  })

  it('[FS-2] ls -la, grep -r, cp -a, mv, find work', async () => {
    await output(here, 'mkdir -p deep/er && echo needle > deep/er/hay.md && cp -a deep copy && mv copy moved')
    expect(await output(here, 'grep -r needle . | sort')).toBe(
      './deep/er/hay.md:needle\n./moved/er/hay.md:needle\n',
    )
    expect(await output(here, 'ls -la deep/er')).toMatch(/-rw-r--r--.* 7 .*hay\.md/)
    expect(await output(here, 'find moved -type f')).toBe('moved/er/hay.md\n')
    expect(await output(here, 'ls -a')).not.toMatch(/\.agentfs/)
  })

  it('[FS-2] git init, commit, log work', async () => {
    await output(
      here,
      'mkdir repo && cd repo && git init -q && git config user.email a@example.com && git config user.name a && ' +
        'echo one > a.md && git add . && git commit -qm one && echo two >> a.md && git commit -qam two',
    )
    expect(await output(here, 'cd repo && git log --format=%s')).toBe('two\none\n')
    expect(await output(here, 'cd repo && git fsck --strict 2>&1 && git status --porcelain')).toBe('')
  })

  it('[SY-11] a file that vim saves ten times keeps its id and has its history', async () => {
    await output(here, 'echo start > vim.md')
    await laptop.cli(['sync', here.directory])
    const before = await client.agent('research').files.stat('vim.md')
    for (let save = 1; save <= 10; save++) {
      await output(here, `vim -u NONE -i NONE -n -es -c "normal osave ${save}" -c wq vim.md < /dev/null`)
      expect((await laptop.cli(['sync', here.directory])).code).toBe(0)
    }
    const after = await client.agent('research').files.stat('vim.md')
    expect(after.node).toBe(before.node)
    const versions = await client.agent('research').files.versions('vim.md')
    expect(versions.data.length).toBeGreaterThanOrEqual(11)
    expect(await output(here, 'tail -1 vim.md')).toBe('save 10\n')
  })

  it('[DUR-8] unmount pushes what is there and exits 0; the next mount shows it', async () => {
    await output(there, 'for i in $(seq 50); do echo $i > last-$i.md; done')
    const done = await there.unmount()
    expect(done.code).toBe(0)
    const names = (await client.agent('research').files.list('', { glob: 'last-*.md' })).data
    expect(names).toHaveLength(50)
    there = await cloud.mount()
    expect(await output(there, 'cat last-50.md')).toBe('50\n')
  })

  it('[SY-8] everything is in the history, with a receipt and an audit event', async () => {
    const events = await client.auditEvents({ agent: 'research', path: 'notes.md' })
    expect(events.data.length).toBeGreaterThan(2)
    const answer = await client.agent('research').files.write('receipt.md', 'x')
    expect(answer.receipt?.root).toMatch(/^[0-9a-f]{64}$/)
  })
})
