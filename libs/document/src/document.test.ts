import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import { DOCUMENT_BYTES_MAX, type DocumentMetadata } from '@agentfs/contracts'
import fc from 'fast-check'
import { parse } from 'yaml'
import {
  decodeDocument,
  encodeDocument,
  encodeSidecar,
  fitsDocument,
  keyOfPath,
  namesOfMetadata,
  readDocument,
  sidecarKeyOf,
} from './index.js'

const FIXTURES = new URL('../fixtures/documents-v1.json', import.meta.url)
const PROGRAM = fileURLToPath(new URL('../fixtures/agentfs_document.py', import.meta.url))

interface Fixture {
  readonly name: string
  readonly key: string
  readonly metadata: DocumentMetadata
  /** Base64, as `document` is; missing for a sidecar. */
  readonly content?: string
  readonly document: string
}

const fixtures = JSON.parse(await readFile(FIXTURES, 'utf8')) as Fixture[]

/** Shapes that a codec is likely to trip over; property tests join them at random. */
const NASTY = [
  '\ufeff',
  '---',
  '---\n',
  '---\r\n',
  '--- \t\n',
  '---\r',
  '----\n',
  '--- a\n',
  ' ---\n',
  '...\n',
  '...',
  '---\n---\n',
  'agentfs: {}\n',
  'agentfs: {"v": 1}\n',
  'agentfs:\n',
  '  agentfs: 1\n',
  '"agentfs": 1\n',
  'a: {agentfs: 1}\n',
  'title: Preferences\n',
  'title: Preferences\r\n',
  'a: &a [1]\n',
  'b: *a\n',
  'text: |\n  ---\n',
  'text: |+\n\n',
  '<<: {a: 1}\n',
  '# remark\n',
  '- one\n',
  '{a: 1}\n',
  'a: "open\n',
  "b: 'x\n",
  '%YAML 1.1\n',
  '? k\n',
  '!!map {}\n',
  ' indented: 1\n',
  '\tt: 1\n',
  '\0',
  '\r',
  '\n',
  '\t',
  ' ',
  '\u0085',
  '\u2028',
  '😀',
  'é',
  'e\u0301',
  '\ufffe',
  'x',
  '# Heading\n\nBody\n',
]
const nastyText = fc
  .array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NASTY) }, fc.string({ unit: 'grapheme' })))
  .map((pieces) => pieces.join(''))
const framed = fc
  .tuple(nastyText, nastyText, fc.constantFrom('---\n', '---\r\n', '---'))
  .map(([inner, body, close]) => `---\n${inner}${close}${body}`)
const nasty = fc.oneof(nastyText, framed).map((text) => Buffer.from(text))

const anyPath = fc.array(
  fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => !/[\0/]/.test(name)),
  { minLength: 1, maxLength: 5 },
)

function metadataOf(content: Uint8Array, more: Partial<DocumentMetadata> = {}): DocumentMetadata {
  return {
    v: 1,
    id: '01920000-0000-7000-8000-000000000001',
    path: 'notes/prefs.md',
    version: 7,
    parents: [6],
    author: 'agent/research',
    at: '2026-11-22T10:00:00.123Z',
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    ...more,
  }
}

/** What an ordinary reader of frontmatter finds: the lines between the fences, read as YAML. */
function ordinaryFrontmatter(document: Buffer): unknown {
  const found = /^\ufeff?---[ \t]*\r?\n([^]*?)(?<=\n)---[ \t]*\r?(?:\n|$)/.exec(document.toString('utf8'))
  return parse(found?.[1] ?? '', { logLevel: 'silent' })
}

function property<T extends [unknown, ...unknown[]]>(
  runs: number,
  check: (...values: T) => void,
  ...arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> }
): void {
  const seed = Date.now() & 0x7fffffff
  process.stdout.write(`fast-check seed ${seed}\n`)
  fc.assert(fc.property(...arbitraries, check as never), { numRuns: runs, seed })
}

const SHAPES: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['plain', '# Heading\n\nBody\n'],
  ['no final newline', 'Body'],
  ['own frontmatter', '---\ntitle: Preferences\ntags: [a, b]\n---\nBody\n'],
  ['own frontmatter, CRLF', '---\r\ntitle: Preferences\r\n---\r\nBody\r\n'],
  ['own frontmatter behind a byte order mark', '\ufeff---\ntitle: x\n---\nBody'],
  ['byte order mark', '\ufeffBody\n'],
  ['two byte order marks', '\ufeff\ufeff---\na: 1\n---\n'],
  ['CRLF', 'one\r\ntwo\r\n'],
  ['CR alone', 'one\rtwo\r'],
  ['--- as the whole file', '---'],
  ['--- and a newline', '---\n'],
  ['empty frontmatter', '---\n---\nBody\n'],
  ['frontmatter of a blank line', '---\n\n---\nBody\n'],
  ['frontmatter of a remark', '---\n# remark\n---\nBody\n'],
  ['unclosed frontmatter', '---\ntitle: x\nBody\n'],
  ['frontmatter that ends with ...', '---\ntitle: x\n...\nBody\n---\nmore\n'],
  ['frontmatter at the end', '---\ntitle: x\n---'],
  ['frontmatter-like lines in the body', 'Body\n---\nagentfs: {}\n---\n'],
  ['own key agentfs', '---\nagentfs: {"v": 1}\ntitle: x\n---\nBody\n'],
  ['own key agentfs, nested', '---\nhost:\n  agentfs: {v: 1}\n---\nBody\n'],
  ['an alias of nothing', '---\nb: *a\n---\nBody\n'],
  ['own key agentfs, quoted', '---\n"agentfs": 1\n---\nBody\n'],
  ['frontmatter that is a list', '---\n- one\n---\nBody\n'],
  ['frontmatter that is no YAML', '---\ntitle: a: b\n\t- {\n---\nBody\n'],
  ['block scalar at the end of the frontmatter', '---\ntext: |+\n  a\n\n---\nBody\n'],
  ['emoji and NUL', '😀\0é\u2028\u0085\n'],
  ['tabs', '\t---\n\ta\t\n'],
]

describe('encodeDocument and decodeDocument', () => {
  it.each(SHAPES)('survives byte for byte, and an ordinary reader finds the metadata: %s', (_name, text) => {
    expectWhole(Buffer.from(text))
  })

  it('survives byte for byte whatever the content is made of', () => {
    property(2_000, (content: Buffer) => void expectWhole(content), nasty)
  })

  it('survives byte for byte as a document of a document of a document', () => {
    property(
      500,
      (content: Buffer) => {
        const documents = [content]
        for (let depth = 0; depth < 3; depth++) documents.push(expectWhole(documents.at(-1) ?? content))
      },
      nasty,
    )
  })

  it('takes the line into own frontmatter that is valid YAML, as the last', () => {
    const content = Buffer.from('---\r\ntitle: Preferences\r\n---\r\nBody')
    const lines = encodeDocument(content, metadataOf(content)).toString('utf8').split('\r\n')
    expect(lines).toHaveLength(5)
    expect(lines.filter((_line, at) => at !== 2).join('\r\n')).toBe(content.toString('utf8'))
    expect(lines[2]).toMatch(/^agentfs: \{"v": 1, .*\}$/)
  })

  it('holds 1 MiB and not a byte more, and no bytes that are no UTF-8', () => {
    const largest = Buffer.from(
      '---\ntitle: x\n---\n'.padEnd(DOCUMENT_BYTES_MAX, 'é—'.repeat(8)),
      'latin1',
    ).map((byte) => (byte > 127 ? 120 : byte))
    expect(largest).toHaveLength(DOCUMENT_BYTES_MAX)
    expectWhole(Buffer.from(largest))
    expectWhole(Buffer.from('---\n'.repeat(DOCUMENT_BYTES_MAX / 4)))
    expectWhole(Buffer.from(`---\n${'a'.repeat(100_000)}: 1\n---\n`))
    const tooLong = Buffer.alloc(DOCUMENT_BYTES_MAX + 1, 120)
    for (const content of [tooLong, Buffer.from([0xff]), Buffer.from([0x61, 0xc3])]) {
      expect(fitsDocument(content)).toBe(false)
      expect(() => encodeDocument(content, metadataOf(content))).toThrow(/sidecar/)
    }
  })

  it('keeps any path, author and unknown field in the metadata', () => {
    property(
      1_000,
      (names: string[], author: string) => {
        const content = Buffer.from('x')
        const metadata = metadataOf(content, {
          path: names.join('/'),
          author,
          later: { list: [1, null, true] },
        })
        const document = encodeDocument(content, metadata)
        expect(decodeDocument(document).metadata).toEqual(metadata)
        expect(ordinaryFrontmatter(document)).toEqual({ agentfs: metadata })
        expect(namesOfMetadata(decodeDocument(document).metadata)).toEqual(names)
      },
      anyPath,
      fc.string({ unit: 'grapheme' }),
    )
  })

  it('says so where a document was changed, and where bytes are no document', () => {
    const content = Buffer.from('Body\n')
    const document = encodeDocument(content, metadataOf(content))
    const changed = Buffer.concat([document, Buffer.from('more')])
    expect(readDocument(changed)).toMatchObject({ intact: false, content: Buffer.from('Body\nmore') })
    expect(() => decodeDocument(changed)).toThrow(/changed/)
    for (const text of [
      '',
      'Body',
      '---\n---\n',
      '---\nagentfs: {}\n---\n',
      '---\nagentfs: {"v": 2}\n---\n',
      '---\ntitle: x\n---\n',
    ])
      expect(() => decodeDocument(Buffer.from(text))).toThrow(/no document/)
  })

  it('reads a line that another program wrote anew without quotes', () => {
    const content = Buffer.from('Body\n')
    const { v, id, path, version, parents, author, at, size, sha256 } = metadataOf(content)
    const flow = `{v: ${v}, id: ${id}, path: ${path}, version: ${version}, parents: [${parents.join()}], author: ${author}, at: '${at}', size: ${size}, sha256: '${sha256}'}`
    expect(decodeDocument(Buffer.from(`---\nagentfs: ${flow}\n---\nBody\n`)).content).toEqual(content)
  })

  it('a sidecar names what lies beside it and has no content', () => {
    const metadata = { ...metadataOf(Buffer.from([0xff])), beside: 'photo.png' }
    const sidecar = encodeSidecar(metadata)
    expect(readDocument(sidecar)).toEqual({ kind: 'sidecar', metadata, beside: 'photo.png' })
    expect(() => decodeDocument(sidecar)).toThrow(/no document/)
    // A sidecar that somebody stores as a file is content like any other.
    expectWhole(sidecar)
  })
})

describe('fixtures of version 1, which must stay readable for ever', () => {
  it.each(fixtures)('$name', ({ metadata, content, document, key }) => {
    const read = readDocument(Buffer.from(document, 'base64'))
    expect(read?.metadata).toEqual(metadata)
    if (content === undefined) expect(read?.kind).toBe('sidecar')
    else expect(decodeDocument(Buffer.from(document, 'base64')).content.toString('base64')).toBe(content)
    const path = keyOfPath(namesOfMetadata(metadata))
    expect(content === undefined ? sidecarKeyOf(path) : path).toBe(key)
  })

  it('has one of every shape', () => {
    const contents = fixtures.map(({ content }) => content)
    for (const [, text] of SHAPES) expect(contents).toContain(Buffer.from(text).toString('base64'))
  })
})

describe('the independent reader in Python', () => {
  it('reads the fixtures', () => {
    expect(python(['check', fileURLToPath(FIXTURES)])).toBe(
      `${fixtures.length} of ${fixtures.length} fixtures read\n`,
    )
  })

  it('reads what is written here, and refuses what was changed', () => {
    const seed = Date.now() & 0x7fffffff
    process.stdout.write(`fast-check seed ${seed}\n`)
    const contents = fc.sample(nasty, { numRuns: 500, seed })
    const documents = contents.map((content) => encodeDocument(content, metadataOf(content)))
    const calls = documents.flatMap((document) => [
      { call: 'read', document: document.toString('base64') },
      { call: 'read', document: Buffer.concat([document, Buffer.from('!')]).toString('base64') },
    ])
    const answers = JSON.parse(python(['run'], JSON.stringify(calls))) as object[]
    contents.forEach((content, at) => {
      expect(answers[2 * at]).toEqual({ metadata: metadataOf(content), content: content.toString('base64') })
      expect(answers[2 * at + 1]).toHaveProperty('refused')
    })
  })
})

/** Encodes, and checks all that a document promises. */
function expectWhole(content: Buffer): Buffer {
  const metadata = metadataOf(content)
  const document = encodeDocument(content, metadata)
  const decoded = decodeDocument(document)
  expect(decoded.content.equals(content)).toBe(true)
  expect(decoded.metadata).toEqual(metadata)
  const block = ordinaryFrontmatter(document)
  expect(block).toHaveProperty('agentfs', metadata)
  // Without the line the text is the content; or else the block holds nothing else, and without it it is.
  const text = document.toString('utf8')
  const withoutLine = text.replace(/(?<=\n)agentfs: \{"v": 1, "id".*?\}\r?\n/, '')
  const withoutBlock = text.replace(/^(\ufeff?)---\r?\nagentfs: \{.*?\}\r?\n---\r?\n/, '$1')
  expect([withoutLine, withoutBlock]).toContain(content.toString('utf8'))
  return document
}

function python(programArguments: readonly string[], input = ''): string {
  const ran = spawnSync('python3', [PROGRAM, ...programArguments], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1_048_576,
  })
  if (ran.error !== undefined) throw new Error(`These tests need python3: ${ran.error.message}`)
  if (ran.status !== 0)
    throw new Error(`agentfs_document.py ${programArguments.join(' ')} failed: ${ran.stdout}${ran.stderr}`)
  return ran.stdout
}
