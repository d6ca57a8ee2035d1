import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, link, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readTree, type AgentHandle } from '@agentfs/sdk'
import { waitFor } from '@agentfs/testkit'
import { acceptanceConfig } from './harness/config.js'
import type { Machine } from './harness/machine.js'
import { type Finished, run, Running } from './harness/process.js'
import { ROOT } from './harness/service.js'
import { Site } from './harness/site.js'

let site: Site
let machine: Machine
let place: string

beforeAll(async () => {
  site = await Site.start('porting')
  await site.client.createAgent({ name: 'one' })
  machine = site.machine('one', 'home', site.service.url)
  place = join(site.directory, 'place')
  await mkdir(machine.home, { recursive: true })
  await mkdir(place)
  const home = join(place, 'home')
  await mkdir(join(home, 'notes/empty'), { recursive: true })
  await writeFile(join(home, 'notes/prefs.md'), '---\r\ntitle: Preferences\r\n---\r\nno final newline')
  await writeFile(join(home, 'notes/data.json'), '{"a": 1}\n')
  await writeFile(join(home, 'notes/run.sh'), '#!/bin/sh\n')
  await chmod(join(home, 'notes/run.sh'), 0o750)
  await writeFile(join(home, 'none'), '')
  await writeFile(join(home, 'binary'), Buffer.from([0, 255, 254, 10]))
  await writeFile(join(home, 'large'), Buffer.alloc(2_500_000, 'x1y2z'))
  await writeFile(
    Buffer.concat([Buffer.from(`${home}/raw-`), Buffer.from([0xff, 0xfe])]),
    'a name that is no UTF-8',
  )
  await link(join(home, 'notes/prefs.md'), join(home, 'same.md'))
  await symlink('../binary', join(home, 'notes/link'))
  await symlink('/etc/passwd', join(home, 'outside'))
  await utimes(join(home, 'binary'), 1_500_000_000, 1_500_000_000.5)
  const done = await cli('import', home)
  if (done.code !== 0) throw new Error(done.stderr)
  const { files } = site.client.agent('one')
  await files.write('notes/prefs.md', '---\ntitle: Preferences\n---\ntwo\n')
  await files.write('notes/prefs.md', '---\ntitle: Preferences\n---\nthree\n')
}, 120_000)

afterAll(() => site?.stop())

const cli = (...args: string[]): Promise<Finished> => machine.cli(args)

/** Everything of a home that an export promises to keep, by path: contents of all versions, times, modes, targets. */
async function everything(agent: AgentHandle): Promise<Record<string, unknown>> {
  const tree = await readTree(agent.sync)
  const found: Record<string, unknown> = {}
  const same = new Map<string, string>()
  const visit = async (id: string, path: string): Promise<void> => {
    for (const [name, child] of [...(tree.entries.get(id) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const node = tree.nodes.get(child)
      if (node === undefined) throw new Error(`an entry without a node: ${name}`)
      const at = path === '' ? name : `${path}/${name}`
      const standing = same.get(child)
      same.set(child, standing ?? at)
      const { kind, mode, mtime, target, xattrs } = node
      found[at] = standing === undefined ? { kind, mode, mtime, target, xattrs } : { sameAs: standing }
      if (kind === 'directory') await visit(child, at)
      if (kind !== 'file' || standing !== undefined) continue
      const { data } = await agent.files.versionsOfNode(child)
      const contents = []
      for (const { version } of data.toReversed())
        contents.push(hashOf(await agent.sync.content(child, version)))
      found[at] = { ...(found[at] as object), contents }
    }
  }
  await visit(tree.root, '')
  return found
}

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('an export', () => {
  it.each(['folder', 'tar', 'jsonl'])(
    'as %s brings back tree, bytes, versions, times and links into another agent',
    async (format) => {
      const to = join(place, `export.${format}`)
      expect(await cli('export', '--to', to, '--format', format, '--versions', 'all')).toMatchObject({
        code: 0,
      })
      await site.client.createAgent({ name: format })
      const done = await cli('import', to, '--agent-id', format, '--json')
      expect(done).toMatchObject({ code: 0, stderr: '' })
      const expected = await everything(site.client.agent('one'))
      expect(Object.keys(expected)).toHaveLength(12)
      expect(await everything(site.client.agent(format))).toEqual(expected)
      // A second time everything is there already: no version more.
      const again = await cli('import', to, '--agent-id', format, '--json')
      expect(JSON.parse(again.stdout)).toMatchObject({ event: 'done', versions: 0, files: 0, failed: [] })
      expect(await everything(site.client.agent(format))).toEqual(expected)
    },
  )

  it('of another agent is imported without a stop on disk', async () => {
    await site.client.createAgent({ name: 'heir' })
    expect(await cli('import', 'agent:one', '--versions', 'all', '--agent-id', 'heir')).toMatchObject({
      code: 0,
    })
    expect(await everything(site.client.agent('heir'))).toEqual(await everything(site.client.agent('one')))
    expect(
      await cli('import', 'notes', '--from-agent', 'one', '--to', 'copied/here', '--agent-id', 'heir'),
    ).toMatchObject({ code: 0 })
    expect((await site.client.agent('heir').files.read('copied/here/prefs.md')).bytes.length).toBe(33)
  })

  it('as tar is read by GNU tar, as JSONL by Python', async () => {
    const unpacked = join(place, 'unpacked')
    await mkdir(unpacked)
    const tar = await machine.run('tar', 'xf', join(place, 'export.tar'), '-C', unpacked)
    expect(tar).toMatchObject({ code: 0, stderr: '' })
    const compared = await machine.run(
      'diff',
      '-r',
      '--no-dereference',
      '-x',
      'agentfs-export.ndjson',
      unpacked,
      join(place, 'export.folder'),
    )
    expect(compared).toMatchObject({ code: 0, stdout: '' })
    const script = `
import json, base64, hashlib, sys
for line in open(sys.argv[1], encoding="utf-8"):
    it = json.loads(line)
    content = it["text"].encode() if it["text"] is not None else base64.b64decode(it["base64"])
    assert hashlib.sha256(content).hexdigest() == it["sha256"], it["path"]
    print(it["path"], it["number"], it["head"], json.dumps(it["frontmatter"]))`
    const python = await machine.run('python3', '-c', script, join(place, 'export.jsonl'))
    expect(python.code).toBe(0)
    expect(python.stdout).toContain('notes/prefs.md 3 True {"title": "Preferences"}\n')
    expect(python.stdout).toContain('notes/prefs.md 1 False {"title": "Preferences"}\n')
    // Readable by people: our line in Markdown, everything else as it is.
    expect(readFileSync(join(place, 'export.folder/files/notes/prefs.md'), 'utf8')).toMatch(
      /^---\ntitle: Preferences\nagentfs: \{.*"version": 3.*\}\n---\nthree\n$/,
    )
    expect(readFileSync(join(place, 'export.folder/files/notes/data.json'), 'utf8')).toBe('{"a": 1}\n')
  })

  it('goes to standard output, where only the export is', async () => {
    const command = `"${process.execPath}" "${CLIENT}" export notes --to - --format tar --plain | tar xO files/prefs.md`
    const done = await run('bash', ['-c', command], { env: environment() })
    expect(done.stdout).toBe('---\ntitle: Preferences\n---\nthree\n')
  })

  it('is of one seq, whatever is written, renamed and deleted meanwhile', async () => {
    await site.client.createAgent({ name: 'busy' })
    const { files } = site.client.agent('busy')
    // What the folder holds after each commit: this is the only writer, and each of its steps is one.
    const now = new Map<string, string>()
    const after = new Map<number, ReadonlyMap<string, string>>()
    let seq = 0
    const committed = (): unknown => after.set(seq, new Map(now))
    const write = async (name: string, text: string): Promise<void> => {
      const answer = await files.write(`d/${name}`, text, { parents: true })
      expect(seq === 0 || answer.seq === seq + 1).toBe(true)
      seq = answer.seq
      now.set(name, text)
      committed()
    }
    const move = async (from: string, to: string): Promise<void> => {
      await files.move(`d/${from}`, `d/${to}`)
      seq++
      now.set(to, now.get(from) ?? '').delete(from)
      committed()
    }
    const remove = async (name: string): Promise<void> => {
      await files.remove(`d/${name}`)
      seq++
      now.delete(name)
      committed()
    }
    for (let n = 0; n < 40; n++) await write(`${n}.md`, `first ${n}`)
    let exporting = true
    const writing = async (): Promise<void> => {
      for (let n = 0; exporting; n++) {
        if (n === 20_000) throw new Error('the export takes too long')
        const name = `${n % 40}.md`
        await write(name, `later ${n}`)
        if (n % 7 === 0) await move(name, `moved-${n}.md`)
        else if (n % 11 === 5) await remove(name)
      }
    }
    const first = seq
    const to = join(place, 'busy')
    const exported = cli('export', '--agent-id', 'busy', '--to', to, '--versions', 'all', '--plain')
    const [done] = await Promise.all([exported.finally(() => (exporting = false)), writing()])
    expect(done).toMatchObject({ code: 0 })
    const lines = readFileSync(join(to, 'agentfs-export.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as Line)
    const at = lines[0]?.seq ?? 0
    // It was written to before the export's moment or after it, and all the time.
    expect(at).toBeGreaterThanOrEqual(first)
    expect(seq - first).toBeGreaterThan(20)
    expect(seq).toBeGreaterThan(at)
    const held = readdirSync(join(to, 'files', 'd'))
    const contents = held.map((name) => [name, readFileSync(join(to, 'files', 'd', name), 'utf8')] as const)
    expect(new Map(contents)).toEqual(after.get(at))
    for (const { type, file, sha256 } of lines) {
      if (type === 'version') expect(hashOf(readFileSync(join(to, file ?? '')))).toBe(sha256)
    }
  })
})

it('an unknown path is told to be of this machine or of the home', async () => {
  const nowhere = join(place, 'nowhere')
  for (const [args, code, says] of [
    [
      ['import', nowhere],
      3,
      `there is no file or folder ${nowhere} on this machine; what is in an agent's home`,
    ],
    [['import', 'agent:one/nowhere'], 3, 'there is no nowhere in the home of one'],
    [['export', 'nowhere', '--to', nowhere], 3, 'there is no nowhere in the home of one'],
    [['export', '--to', join(nowhere, 'x.tar')], 2, `there is no folder ${nowhere} on this machine`],
  ] as const) {
    const done = await cli(...args)
    expect({ args, code: done.code, stderr: done.stderr }).toEqual({
      args,
      code,
      stderr: expect.stringContaining(says),
    })
  }
  expect(readdirSync(place)).not.toContain('nowhere')
})

describe('deleted files', () => {
  /** What of an agent is deleted and can be restored: each path with the contents of its versions. */
  const deletedOf = async (name: string): Promise<string[]> => {
    const { files, sync } = site.client.agent(name)
    const { data } = await files.deleted({ limit: 1_000 })
    const found = data.map(async ({ node, path }) => {
      const { data: versions } = await files.versionsOfNode(node)
      const texts = versions.map(async ({ version }) =>
        Buffer.from(await sync.content(node, version)).toString(),
      )
      return `${path}: ${(await Promise.all(texts)).join(' < ')}`
    })
    return (await Promise.all(found)).toSorted()
  }

  beforeAll(async () => {
    await site.client.createAgent({ name: 'deleting' })
    const { files } = site.client.agent('deleting')
    await files.write('kept.md', 'kept')
    await files.write('twice.md', 'deleted')
    await files.remove('twice.md')
    await files.write('twice.md', 'living')
    for (const text of ['one', 'two']) await files.write('notes/gone.md', text, { parents: true })
    await files.remove('notes/gone.md')
    await files.write('folder/in/it.md', 'with its folder', { parents: true })
    await files.remove('folder', { recursive: true })
    await files.write('erased.md', 'erased')
    await files.remove('erased.md', { erase: true })
  })

  it.each(['folder', 'tar', 'jsonl'])(
    '[DUR-1] come along in a %s with --deleted, marked, and are brought back as deleted ones',
    async (format) => {
      const to = join(place, `deleted.${format}`)
      const args = ['--agent-id', 'deleting', '--versions', 'all', '--deleted', '--format', format]
      expect(await cli('export', '--to', to, ...args)).toMatchObject({ code: 0 })
      const heir = `heir-of-${format}`
      await site.client.createAgent({ name: heir })
      const without = await cli('import', to, '--agent-id', heir, '--dry-run')
      expect(without).toMatchObject({ code: 0 })
      expect(without.stderr).toContain('3 deleted files are left out; --deleted')
      const brought = await cli('import', to, '--agent-id', heir, '--deleted', '--json')
      const done = brought.stdout.trimEnd().split('\n').at(-1) ?? ''
      expect(JSON.parse(done)).toMatchObject({ event: 'done', files: 2, deleted: 3, failed: [] })
      const expected = ['folder/in/it.md: with its folder', 'notes/gone.md: two < one', 'twice.md: deleted']
      expect(await deletedOf('deleting')).toEqual(expected)
      expect(await deletedOf(heir)).toEqual(expected)
      expect(await everything(site.client.agent(heir))).toEqual(
        await everything(site.client.agent('deleting')),
      )
      // A second time they are there already.
      const again = await cli('import', to, '--agent-id', heir, '--deleted', '--json')
      expect(JSON.parse(again.stdout)).toMatchObject({ event: 'done', deleted: 0, versions: 0, skipped: [] })
      expect(await deletedOf(heir)).toEqual(expected)
      await site.client.agent(heir).files.restore('notes/gone.md', { version: 1 })
      expect(await site.client.agent(heir).files.readText('notes/gone.md')).toBe('one')
    },
  )
})

interface Line {
  readonly type: string
  readonly seq?: number
  readonly file?: string
  readonly sha256?: string
}

const CLIENT = join(ROOT, 'apps/agent-client/bin/agentfs-client.mjs')

function environment(): NodeJS.ProcessEnv {
  const { path } = acceptanceConfig()
  return {
    PATH: path,
    HOME: machine.home,
    NODE_NO_WARNINGS: '1',
    AGENTFS_URL: site.service.url,
    AGENTFS_TOKEN: site.key,
    AGENTFS_AGENT: 'one',
  }
}

describe('stopped and gone on with', () => {
  const many = 600
  beforeAll(async () => {
    const folder = join(place, 'many')
    await mkdir(folder)
    for (let n = 0; n < many; n++) await writeFile(join(folder, `${n}.txt`), `${n}`.repeat(2_000))
    await site.client.createAgent({ name: 'many' })
  })

  it('an import killed with -9 leaves whole files, and the next run brings the rest without a version too many', async () => {
    const folder = join(place, 'many')
    const running = new Running(process.execPath, [CLIENT, 'import', folder, '--agent-id', 'many'], {
      env: environment(),
    })
    const { sync, files } = site.client.agent('many')
    await waitFor(async () => (await readTree(sync)).nodes.size > 1 || !running.alive, {
      deadlineMs: 60_000,
      pollMs: 5,
      what: 'the first push',
    })
    await running.end('SIGKILL')
    expect(await cli('import', folder, '--agent-id', 'many', '--resume')).toMatchObject({ code: 0 })
    const stats = await allOf(files.walk(''))
    expect(stats).toHaveLength(many)
    for (const { path, number, size } of stats) {
      expect({ path, number, size }).toEqual({
        path,
        number: 1,
        size: 2_000 * path.replace('.txt', '').length,
      })
    }
  })

  it.each(['folder', 'tar', 'jsonl'])(
    'an export to %s killed with -9, then written over at the service, goes on as of the same seq',
    async (format) => {
      const to = join(place, `killed.${format}`)
      const args = ['export', '--agent-id', 'many', '--to', to, '--format', format]
      const running = new Running(process.execPath, [CLIENT, ...args], { env: environment() })
      const begun = (): boolean => {
        const file = format === 'folder' ? join(to, 'files') : `${to}.partial`
        try {
          return format === 'folder' ? readdirSync(file).length > 20 : readFileSync(file).length > 50_000
        } catch {
          return false
        }
      }
      await waitFor(() => begun() || !running.alive, {
        deadlineMs: 60_000,
        pollMs: 1,
        what: 'the export to begin',
      })
      await running.end('SIGKILL')
      const finished = (await running.exited).code === 0
      const { files } = site.client.agent('many')
      await files.write('7.txt', `written after ${format}`)
      if (!finished) {
        expect(await cli(...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--resume/) })
        expect(await cli(...args, '--resume')).toMatchObject({ code: 0 })
      }
      await site.client.createAgent({ name: `from-${format}` })
      expect(await cli('import', to, '--agent-id', `from-${format}`)).toMatchObject({ code: 0 })
      const seven = await site.client.agent(`from-${format}`).files.readText('7.txt')
      expect(seven).not.toBe(`written after ${format}`)
      expect(await allOf(site.client.agent(`from-${format}`).files.walk(''))).toHaveLength(many)
    },
  )

  it('Ctrl-C says how to go on and exits 75', async () => {
    const to = join(place, 'interrupted')
    const args = ['export', '--agent-id', 'many', '--to', to]
    const running = new Running(process.execPath, [CLIENT, ...args], { env: environment() })
    await waitFor(() => !running.alive || /plan/.test(readdirSync(join(to, '.agentfs-export')).join()), {
      deadlineMs: 60_000,
      pollMs: 1,
      what: 'the plan',
    }).catch(() => undefined)
    const done = await running.end('SIGINT')
    if (done.code !== 0) expect(done).toMatchObject({ code: 75, stderr: expect.stringMatching(/--resume/) })
    expect(await cli(...args, '--resume')).toMatchObject({ code: done.code === 0 ? 2 : 0 })
  })
})

describe('refusals', () => {
  it('2: a target that holds something, no target, a folder on standard output', async () => {
    const full = join(place, 'full')
    await mkdir(full)
    await writeFile(join(full, 'mine.txt'), 'mine')
    expect(await cli('export', '--to', full)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/not empty/),
    })
    expect(await cli('export', '--to', full, '--resume')).toMatchObject({ code: 2 })
    expect(readdirSync(full)).toEqual(['mine.txt'])
    expect((await cli('export')).code).toBe(2)
    expect((await cli('export', '--to', '-', '--format', 'folder')).code).toBe(2)
    expect((await cli('import')).code).toBe(2)
    expect((await cli('import', full, '--overwrite', '--skip-existing')).code).toBe(2)
  })

  it('3: what is not there; 4: a key that may not write', async () => {
    expect((await cli('export', 'no/such', '--to', join(place, 'none'))).code).toBe(3)
    expect((await cli('import', join(place, 'no-such'))).code).toBe(3)
    expect((await cli('import', 'agent:nobody')).code).toBe(3)
    expect((await cli('import', place, '--agent-id', 'nobody')).code).toBe(3)
    const reader = await site.client.createKey({ name: 'reader', role: 'reader' })
    const refused = await machine.cli(['import', join(place, 'full')], { token: reader.secret })
    expect(refused.code).toBe(4)
    expect(
      (await machine.cli(['export', '--to', join(place, 'by-reader')], { token: reader.secret })).code,
    ).toBe(0)
  })

  it('5: names that are taken are named and nothing is written, unless told what to do', async () => {
    const folder = join(place, 'taken')
    await mkdir(folder)
    await writeFile(join(folder, 'binary'), 'other')
    await writeFile(join(folder, 'new.md'), 'new')
    const refused = await cli('import', folder)
    expect(refused).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/binary has other content[\s\S]*--overwrite/),
    })
    const { files } = site.client.agent('one')
    await expect(files.stat('new.md')).rejects.toMatchObject({ code: 'not_found' })
    const dry = await cli('import', folder, '--overwrite', '--dry-run')
    expect(dry).toMatchObject({ code: 0, stdout: 'write binary\ncreate new.md\n' })
    expect(await cli('import', folder, '--skip-existing')).toMatchObject({ code: 0 })
    expect((await files.stat('binary')).number).toBe(1)
    expect(await cli('import', folder, '--overwrite')).toMatchObject({ code: 0 })
    expect([(await files.stat('binary')).number, await files.readText('binary')]).toEqual([2, 'other'])
  })

  it('1: garbage, and an export that was damaged or edited, by name; --accept-changes takes edits', async () => {
    const garbage = join(place, 'garbage')
    await writeFile(garbage, 'neither tar nor JSON')
    expect(await cli('import', garbage)).toMatchObject({ code: 1, stderr: expect.stringMatching(/neither/) })
    const cut = join(place, 'cut.tar')
    await writeFile(cut, readFileSync(join(place, 'export.tar')).subarray(0, 20_000))
    expect(await cli('import', cut, '--to', 'cut')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cut short/),
    })
    const edited = join(place, 'export.folder/files/notes/data.json')
    await writeFile(edited, '{"a": 2}\n')
    const refused = await cli('import', join(place, 'export.folder'), '--to', 'edited')
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/notes\/data.json: it is not what the manifest says/),
    })
    expect(
      await cli('import', join(place, 'export.folder'), '--to', 'edited', '--accept-changes'),
    ).toMatchObject({ code: 0 })
    expect(await site.client.agent('one').files.readText('edited/notes/data.json')).toBe('{"a": 2}\n')
    await rm(cut)
  })

  it('69: nobody answers', async () => {
    const url = 'http://127.0.0.1:1'
    const done = await machine.cli(['export', '--to', join(place, 'unreached')], {
      environment: { AGENTFS_URL: url },
    })
    expect(done.code).toBe(69)
  })
})
