import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentHandle } from '@agentfs/sdk'
import { waitFor } from '@agentfs/testkit'
import type { Machine } from './harness/machine.js'
import type { Finished } from './harness/process.js'
import { Site } from './harness/site.js'

let site: Site
let machine: Machine
let files: AgentHandle['files']

beforeAll(async () => {
  site = await Site.start('commands')
})

afterEach(() => site.tidy())

afterAll(() => site?.stop())

/** A machine of its own for a test, and its agent. */
async function machineOf(agent: string): Promise<void> {
  await site.client.createAgent({ name: agent })
  machine = site.machine(agent, agent, site.service.url)
  await mkdir(machine.home, { recursive: true })
  ;({ files } = site.client.agent(agent))
}

const cli = (...args: string[]): Promise<Finished> => machine.cli(args, { limitMs: 60_000 })

describe('run', () => {
  it('answers as a shell does where there is no such command, and leaves no folder behind', async () => {
    await machineOf('run-nothing')
    // A folder of its own for what is temporary: others make such folders, too.
    const temporary = join(machine.home, 'temporary')
    await mkdir(temporary)
    const done = await machine.cli(['run', '--', 'no-such-command'], {
      environment: { TMPDIR: temporary },
      limitMs: 60_000,
    })
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 127,
      stderr: expect.stringMatching(/no-such-command: there is no such command/),
    })
    expect(await readdir(temporary)).toEqual([])
  })

  it('without -- before options of the command, the message says where it goes', async () => {
    await machineOf('run-options')
    const done = await cli('run', 'sh', '-c', 'true')
    expect(done.code).toBe(2)
    expect(done.stderr).toMatch(/what stands behind -- is the command/)
  })
})

describe('mount --daemon', () => {
  it('says that it made the agent, and what the feed is', async () => {
    machine = site.machine('made-by-mount', 'daemon', site.service.url)
    await mkdir(machine.home, { recursive: true })
    const directory = join(machine.home, 'memory')
    const done = await cli('mount', directory, '--daemon', '--json')
    expect(done.stderr).toMatch(/Made the agent made-by-mount/)
    expect(JSON.parse(done.stdout)).toEqual({
      dir: directory,
      agent: 'made-by-mount',
      pid: expect.any(Number),
      feed: 'connected',
    })
    expect((await cli('unmount', directory)).code).toBe(0)
  })

  it('a mount that fails takes away the folders that it made', async () => {
    await machineOf('no-folder')
    const done = await cli('mount', join(machine.home, 'a/b'), '--path', 'missing', '--daemon')
    expect({ code: done.code, stderr: done.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/there is no folder missing/),
    })
    await expect(access(join(machine.home, 'a'))).rejects.toThrow('ENOENT')
  })
})

describe('watch', () => {
  it('prints each change with its path, of what is gone too, and runs a command for it', async () => {
    await machineOf('watch')
    const log = join(machine.home, 'log')
    const watching = machine.start([
      'watch',
      '--json',
      '--exec',
      `echo "$AGENTFS_CHANGE $AGENTFS_PATH" >> ${log}`,
    ])
    await waitFor(() => watching.stderr.includes('watching'), { deadlineMs: 30_000, what: 'watch to begin' })
    await files.write('notes/one.md', 'one\n', { parents: true })
    await files.remove('notes/one.md')
    const logged = async (): Promise<string> => await readFile(log, 'utf8').catch(() => '')
    await waitFor(async () => (await logged()).includes('deleted'), {
      deadlineMs: 30_000,
      what: 'the deletion',
    })
    const ended = await watching.end('SIGTERM')
    expect(ended.code).toBe(0)
    expect(await logged()).toMatch(/^written notes\/one\.md$/m)
    expect(await logged()).toMatch(/^deleted notes\/one\.md$/m)
    const printed = ended.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { change: string; path: string; kind: string })
    expect(printed.filter(({ kind }) => kind === 'file').map(({ change, path }) => [change, path])).toEqual([
      ['written', 'notes/one.md'],
      ['deleted', 'notes/one.md'],
    ])
  })
})

describe('files and versions', () => {
  it('diff --json is one object; two versions, and the head', async () => {
    await machineOf('diff')
    await files.write('a.md', 'one\n')
    await files.write('a.md', 'one\ntwo\n')
    const done = await cli('diff', 'a.md', '--json')
    expect(JSON.parse(done.stdout)).toMatchObject({ path: 'a.md', from: '1', to: null, same: false })
    expect(done.stdout).toContain('+two')
    expect((await cli('diff', 'a.md', '1', '2')).stdout).toMatch(/^--- a.md v1\n\+\+\+ a.md v2\n/)
    expect((await cli('diff', 'a.md', '2', '2')).stdout).toBe('')
  })

  it('ls of a file shows the file; put of what is not there, and restore to no instant, say what is wrong', async () => {
    await machineOf('ls-file')
    const local = join(machine.home, 'local.md')
    await writeFile(local, 'x')
    expect((await cli('put', local, 'a.md')).code).toBe(0)
    expect((await cli('ls', 'a.md')).stdout).toBe('a.md\n')
    const put = await cli('put', join(machine.home, 'missing.md'))
    expect({ code: put.code, stderr: put.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/cannot read .*missing\.md/),
    })
    const restore = await cli('restore', 'a.md', '--at', 'yesterday', '--json')
    expect(restore.code).toBe(2)
    expect(JSON.parse(restore.stderr)).toMatchObject({ error: { code: 'usage' } })
  })

  it('[DUR-1] deleted files are listed, have their versions, and come back as they last were', async () => {
    await machineOf('deleted')
    for (const path of ['notes/gone.md', 'notes/there.md', 'other.md', 'lost/with-its-folder.md']) {
      await files.write(path, 'one\n', { parents: true })
      await files.write(path, 'two\n')
    }
    expect((await cli('ls', '--deleted')).stdout).toBe('')
    await files.remove('lost', { recursive: true })
    await files.remove('other.md')
    await files.remove('notes/gone.md')
    const row = (path: string): string => `\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  ${path}\n`
    const all = ['notes/gone.md', 'other.md', 'lost/with-its-folder.md'].map(row).join('')
    expect((await cli('ls', '--deleted')).stdout).toMatch(new RegExp(`^${all}$`))
    expect((await cli('ls', '--deleted', 'notes')).stdout).toMatch(new RegExp(`^${row('notes/gone.md')}$`))
    const listed = await cli('ls', '--deleted', '/notes/gone.md', '--json')
    expect(JSON.parse(listed.stdout)).toMatchObject({ path: 'notes/gone.md', deletedAt: expect.any(String) })

    const log = await cli('log', 'notes/gone.md')
    expect({ code: log.code, stdout: log.stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^v2 .*\nv1 .*\n$/),
    })
    expect(log.stderr).toMatch(/^Deleted .*agentfs-client restore notes\/gone\.md/)
    expect((await cli('restore', 'notes/gone.md')).code).toBe(0)
    expect((await cli('cat', 'notes/gone.md')).stdout).toBe('two\n')

    const standing = await cli('restore', 'notes/there.md')
    expect({ code: standing.code, stderr: standing.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/there\.md is there; say what to restore: --file-version N/),
    })
    const lost = await cli('restore', 'lost/with-its-folder.md')
    expect(lost.stdout).toMatch(/^lost\/with-its-folder\.md v/)
    expect((await cli('ls', 'lost')).stdout).toContain('with-its-folder.md')
  })
})
