import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { type Name, nameFault, nameFromBytes, uuidv7 } from '@agentfs/contracts'
import fc from 'fast-check'
import { pack } from 'tar-stream'
import { processOutput } from '../terminal/output.js'
import { collect } from './collect.js'
import { runExport } from './export-run.js'
import { loadManifest } from './export-state.js'
import type { ExportTarget } from './export-target.js'
import { FolderTarget, STATE_FOLDER } from './export-to-folder.js'
import { JsonlTarget } from './export-to-jsonl.js'
import { TarTarget } from './export-to-tar.js'
import { linesOf } from './lines.js'
import { type Manifest, MANIFEST_NAME, type ManifestNode, namesOfPlace, placeOf } from './manifest.js'
import { openSource } from './open-source.js'
import { TransferProgress } from './transfer-progress.js'
import type { Content, WantedVersion } from './version-contents.js'

const quiet = (): TransferProgress =>
  new TransferProgress(processOutput({ json: false, quiet: true }), 'export', false)

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'agentfs-transfer-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const nastyTexts = fc.constantFrom(
  '',
  '---',
  '---\n',
  '---\n---\n',
  '---\nagentfs: {v: 1}\n---\n',
  '---\r\ntitle: x\r\n---\r\nbody\r\n',
  '\uFEFF---\ntitle: bom\n---\n',
  '---\n- a list\n---\nx',
  'no final newline',
  '\0',
  '👩‍🚀 \u2028 \u0085',
)
const content = fc.oneof(
  nastyTexts.map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
)
const name: fc.Arbitrary<Name> = fc
  .oneof(
    fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .map((text) => nameFromBytes(Buffer.from(text))),
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => nameFromBytes(bytes)),
    fc.constantFrom(
      'a.md',
      'B.MD',
      '-rf',
      '%2e%2e',
      ' ',
      'line\nfeed.md',
      'x'.repeat(255),
      '"quoted".json',
      'ü.markdown',
      '.agentfs-export',
    ),
  )
  .filter((candidate) => nameFault(candidate) === null)

function existing<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there')
  return value
}

/** What a symlink leads to may be any bytes, as a name may. */
const ODD_BYTES = Buffer.from([0x2f, 0xff, 0x61])
const ODD_TARGET = nameFromBytes(ODD_BYTES)

interface Files {
  readonly folder: Name
  readonly files: readonly { readonly name: Name; readonly versions: readonly Buffer[] }[]
}
const home: fc.Arbitrary<Files> = fc.record({
  folder: name,
  files: fc.uniqueArray(fc.record({ name, versions: fc.array(content, { minLength: 1, maxLength: 3 }) }), {
    selector: (file) => file.name,
    maxLength: 6,
  }),
})

/** A plan as the service would give it, and the contents that belong to it. */
function planOf(
  { folder, files }: Files,
  form: 'markdown' | 'plain',
): { plan: Manifest; contents: Map<string, Buffer> } {
  const at = '2026-11-22T10:00:00.123Z'
  const facts = {
    mode: 0o640,
    uid: 1,
    gid: 2,
    mtime: [1_700_000_000, 123_456_789] as [number, number],
    createdAt: at,
    modifiedAt: at,
    modifiedBy: 'agent/x',
  }
  const contents = new Map<string, Buffer>()
  const nodes: ManifestNode[] = [
    {
      line: { type: 'directory', node: uuidv7(), ...placeOf([folder]), ...facts, mode: 0o755 },
      versions: [],
    },
  ]
  for (const file of files) {
    const node = uuidv7()
    const xattrs = { 'user.x': Buffer.from([0, 255]).toString('base64') }
    const versions = file.versions.map((bytes, index) => {
      const version = uuidv7()
      contents.set(version, bytes)
      return {
        type: 'version' as const,
        node,
        version,
        number: index + 1,
        parents: [],
        parentNumbers: [],
        author: 'agent/x',
        at,
        size: bytes.length,
      }
    })
    nodes.push({ line: { type: 'file', node, ...placeOf([folder, file.name]), ...facts, xattrs }, versions })
  }
  const link = {
    type: 'symlink' as const,
    node: uuidv7(),
    ...placeOf(['\u{10FFFF}link']),
    ...facts,
    target: '/etc/passwd',
  }
  const odd = { ...link, node: uuidv7(), ...placeOf(['\u{10FFFF}odd']), target: ODD_TARGET }
  return {
    plan: {
      header: {
        type: 'export',
        format: 'agentfs-export',
        formatVersion: 1,
        agent: { id: uuidv7(), name: 'x' },
        epoch: 0,
        seq: 1,
        path: '',
        versions: 'all',
        form,
        exportedAt: at,
      },
      nodes: [...nodes, ...[link, odd].map((line) => ({ line, versions: [] }))],
    },
    contents,
  }
}

function given(contents: ReadonlyMap<string, Buffer>, stopAfter = Infinity) {
  return {
    async *inOrder<T extends WantedVersion>(
      wanted: Iterable<T>,
    ): AsyncGenerator<{ item: T; content: Content }> {
      let count = 0
      for (const item of wanted) {
        if (count++ >= stopAfter) throw new Error('stopped here')
        yield { item, content: { kind: 'whole', bytes: contents.get(item.version) ?? Buffer.alloc(0) } }
      }
    },
  }
}

type Open = (
  folder: string,
  plan: Manifest,
  form: 'markdown' | 'plain',
) => Promise<{ target: ExportTarget; path: string }>
const targets: Record<string, Open> = {
  folder: async (folder, _plan, form) => {
    const path = join(folder, 'out')
    await mkdir(join(path, STATE_FOLDER), { recursive: true })
    return { target: await FolderTarget.open(path, form), path }
  },
  tar: async (folder, plan, form) => {
    const path = join(folder, 'out.tar')
    return { target: await TarTarget.toFile(form, path, `${path}.partial`, plan), path }
  },
  jsonl: async (folder) => {
    const path = join(folder, 'out.jsonl')
    return { target: await JsonlTarget.toFile('x', path, `${path}.partial`), path }
  },
}

describe.each(Object.entries(targets))('an export as %s', (format, open) => {
  it('comes back byte for byte: contents, names, times, modes, attributes, also when it was stopped in between', async () => {
    await fc.assert(
      fc.asyncProperty(
        home,
        fc.constantFrom('markdown' as const, 'plain' as const),
        fc.nat(4),
        async (files, form, stopAfter) => {
          await inFolder(async (folder) => {
            const { plan, contents } = planOf(files, form)
            const signal = new AbortController().signal
            const first = await open(folder, plan, form)
            try {
              await runExport(plan, first.target, given(contents, stopAfter), quiet(), signal)
            } catch (error) {
              expect((error as Error).message).toBe('stopped here')
              await first.target.leave()
              const again = await open(folder, plan, form)
              await runExport(plan, again.target, given(contents), quiet(), signal)
            }
            const source = await openSource(first.path, 'all')
            expect(source.troubles).toEqual([])
            expect(source.nodes.map(({ kind, names }) => [kind, names])).toEqual(
              plan.nodes.map(({ line }) => [line.type, namesOfPlace(line, 'here')]),
            )
            for (const [index, node] of source.nodes.entries()) {
              const { line, versions } = existing(plan.nodes[index])
              expect([node.mode, node.uid, node.mtime, node.xattrs, node.target]).toEqual([
                line.mode,
                line.uid,
                line.mtime,
                line.xattrs,
                line.target,
              ])
              const read = await Promise.all(node.versions.map((version) => collect(version.bytes())))
              expect(read).toEqual(versions.map(({ version }) => contents.get(version)))
            }
          })
        },
      ),
      // Dots of a regular expression match no line break.
      {
        numRuns: 40,
        examples: [[{ folder: '\n', files: [{ name: '\n', versions: [Buffer.from('one')] }] }, 'plain', 4]],
      },
    )
  })

  it('is refused when its manifest or its end is gone, by name', async () => {
    await inFolder(async (folder) => {
      const { plan, contents } = planOf(
        { folder: 'd', files: [{ name: 'a.md', versions: [Buffer.from('one')] }] },
        'plain',
      )
      const { target, path } = await open(folder, plan, 'plain')
      await runExport(plan, target, given(contents), quiet(), new AbortController().signal)
      const cut = format === 'folder' ? join(path, MANIFEST_NAME) : path
      truncateSync(cut, readFileSync(cut).length - (format === 'tar' ? 1_700 : 20))
      await expect(openSource(path, 'all')).rejects.toThrow(/cut short|no JSON|no line|line 1/)
    })
  })
})

describe('a symlink whose target is no UTF-8', () => {
  it('leads in an export to a folder to the same bytes, and comes from any folder with them', async () => {
    await inFolder(async (folder) => {
      const { plan, contents } = planOf({ folder: 'd', files: [] }, 'plain')
      const { target, path } = await existing(targets['folder'])(folder, plan, 'plain')
      await runExport(plan, target, given(contents), quiet(), new AbortController().signal)
      const made = join(path, 'files', '\u{10FFFF}odd')
      expect((await readlink(made, 'buffer')).equals(ODD_BYTES)).toBe(true)
      const source = await openSource(join(path, 'files'), 'all')
      expect(source.nodes.flatMap((node) => node.target ?? [])).toEqual(['/etc/passwd', ODD_TARGET])
    })
  })
})

describe('what is refused', () => {
  const withTar = (
    header: { name: string; type?: 'symlink' | 'link' | 'file'; linkname?: string },
    check: (path: string) => Promise<void>,
  ): Promise<void> =>
    inFolder(async (folder) => {
      const tar = pack()
      tar.entry({ ...header, size: 0 }, '')
      tar.finalize()
      const path = join(folder, 'x.tar')
      writeFileSync(path, await collect(tar as AsyncIterable<Uint8Array>))
      await check(path)
    })

  it.each(['../x', '/etc/x', 'a/../../x', 'a/../b'])('a tar entry %s', (entry) =>
    withTar({ name: entry }, async (path) => {
      await expect(openSource(path, 'all')).rejects.toThrow(/refused/)
    }),
  )

  it('a tar entry that leads to what is no UTF-8', () =>
    withTar({ name: 'x', type: 'symlink', linkname: 'a\uFFFD' }, async (path) => {
      await expect(openSource(path, 'all')).rejects.toThrow(/refused/)
    }))

  it('a manifest whose paths or places lead out', async () => {
    for (const change of [{ path: '../x' }, { path: '/x' }, { path: 'a\0b' }]) {
      expect(() => namesOfPlace({ path: change.path }, 'here')).toThrow(/refused/)
    }
    await inFolder(async (folder) => {
      const { plan, contents } = planOf(
        { folder: 'd', files: [{ name: 'a.md', versions: [Buffer.from('one')] }] },
        'plain',
      )
      const { target, path } = await existing(targets['folder'])(folder, plan, 'plain')
      await runExport(plan, target, given(contents), quiet(), new AbortController().signal)
      const manifest = join(path, MANIFEST_NAME)
      const good = readFileSync(manifest, 'utf8')
      writeFileSync(manifest, good.replace('files/d/a.md', '../secret'))
      await expect(openSource(path, 'all')).rejects.toThrow(/no place within an export/)
      writeFileSync(manifest, good)
      // A file that became a symbolic link is not followed.
      await rm(join(path, 'files/d/a.md'))
      writeFileSync(join(folder, 'secret'), 'one')
      await symlink(join(folder, 'secret'), join(path, 'files/d/a.md'))
      const source = await openSource(path, 'all')
      const file = source.nodes.find(({ kind }) => kind === 'file')
      await expect(collect(existing(file?.versions[0]).bytes())).rejects.toThrow(/ELOOP/)
    })
  })

  it('JSONL that is no JSON, or no document, with the number of the line', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'x.jsonl')
      writeFileSync(path, '{"path":"a","text":"x"}\n{"path":"b"\n')
      await expect(openSource(path, 'all')).rejects.toThrow(/line 2 is no JSON/)
      writeFileSync(path, '{"path":"a","text":"x"}\n\n{"path":"b"}\n')
      await expect(openSource(path, 'all')).rejects.toThrow(/line 3 has neither text nor base64/)
      writeFileSync(path, '{"path":"../a","text":"x"}\n')
      await expect(openSource(path, 'all')).rejects.toThrow(/line 1.*refused/)
    })
  })

  it('a manifest that is garbage, newer, or not there', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, MANIFEST_NAME)
      for (const [text, wanted] of [
        ['', /is empty/],
        ['garbage\n', /line 1 is no JSON/],
        ['[]\n', /line 1 is no line/],
        ['{"type":"export","formatVersion":3}\n', /newer agentfs-client/],
      ] as const) {
        writeFileSync(path, text)
        await expect(loadManifest(path)).rejects.toThrow(wanted)
      }
    })
  })
})

describe('linesOf', () => {
  it('gives the same lines however the bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom('a', '\n', 'ü') }),
        fc.integer({ min: 1, max: 7 }),
        async (text, step) => {
          const bytes = Buffer.from(text)
          const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, at) =>
            bytes.subarray(at * step, (at + 1) * step),
          )
          const lines = []
          for await (const line of linesOf(asStream(chunks))) {
            expect(bytes.subarray(line.start, line.end)).toEqual(line.bytes)
            lines.push(line.bytes.toString())
          }
          expect(lines).toEqual(
            text.split('\n').slice(0, text.endsWith('\n') || text === '' ? -1 : undefined),
          )
        },
      ),
    )
  })
})

async function* asStream(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk
}
