import { createReadStream, existsSync } from 'node:fs'
import { type Name, sha256Hex, uuid } from '@agentfs/contracts'
import { z } from 'zod'
import { collect } from './collect.js'
import { loadManifest } from './export-state.js'
import { manifestBeside } from './export-to-jsonl.js'
import { type ImportSource, shown, type SourceNode, type SourceVersion, timeOf } from './import-source.js'
import { linesOf } from './lines.js'
import { damaged, namesOfPlace } from './manifest.js'
import { nodesOfManifest } from './source-of-manifest.js'

const document = z.looseObject({
  path: z.string().min(1),
  pathBase64: z.base64().optional(),
  version: uuid.optional(),
  number: z.int().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
  deletedAt: z.iso.datetime({ offset: true }).optional(),
  sha256: sha256Hex.optional(),
  text: z.string().nullish(),
  base64: z.base64().nullish(),
})
type DocumentLine = z.infer<typeof document>

/** Where a document's line stands. */
interface Line {
  readonly names: readonly Name[]
  readonly version: SourceVersion
  readonly number: number
}

/** A JSONL file: with the manifest beside it everything an export holds, without one the documents of its lines. */
export async function jsonlSource(path: string, which: 'all' | 'head'): Promise<ImportSource> {
  const byVersion = new Map<string, Line>()
  const byPath = new Map<string, Line[]>()
  const deletedLines = new Set<string>()
  let number = 0
  for await (const { bytes, start, end } of linesOf(createReadStream(path))) {
    number++
    if (bytes.length === 0) continue
    const where = `${path}, line ${number}`
    const found = parseDocument(bytes, where)
    const names = namesOfPlace(found, where)
    const version: SourceVersion = {
      size: contentOf(found, where).length,
      ...(found.sha256 === undefined ? {} : { sha256: found.sha256 }),
      ...(found.at === undefined ? {} : { at: timeOf(new Date(found.at)) }),
      bytes: () => contentAt(path, start, end, where),
    }
    const entry: Line = { names, version, number: found.number ?? number }
    if (found.version !== undefined) byVersion.set(found.version, entry)
    const key = names.join('/')
    // A deleted file may have had the path of another one; without a manifest there is no telling which was which.
    if (found.deletedAt !== undefined) {
      deletedLines.add(shown(names))
      continue
    }
    byPath.set(key, [...(byPath.get(key) ?? []), entry])
  }
  const beside = manifestBeside(path)
  if (!existsSync(beside)) {
    const reason = 'was deleted; only with the manifest beside it can it be brought back as such'
    const troubles = [...deletedLines].map((gone) => ({ path: gone, reason }))
    return {
      name: path,
      nodes: nodesOf(byPath, which),
      deleted: [],
      troubles,
      close: () => Promise.resolve(),
    }
  }
  const manifest = await loadManifest(beside)
  for (const { line, versions } of manifest.nodes) {
    for (const { version, number: at, missing } of versions) {
      if (missing === undefined && !byVersion.has(version))
        throw damaged(`${path} lacks ${line.path} v${at}, which ${beside} names`)
    }
  }
  const taken = nodesOfManifest(manifest, which, ({ version }) => {
    const line = byVersion.get(version)
    if (line === undefined) throw damaged(`${path} lacks version ${version}`)
    return line.version.bytes()
  })
  return { name: path, ...taken, close: () => Promise.resolve() }
}

function nodesOf(byPath: ReadonlyMap<string, Line[]>, which: 'all' | 'head'): SourceNode[] {
  const nodes = new Map<string, SourceNode>()
  for (const [key, lines] of byPath) {
    const names = lines[0]?.names ?? []
    for (let depth = 1; depth < names.length; depth++) {
      const above = names.slice(0, depth)
      if (!nodes.has(above.join('/')))
        nodes.set(above.join('/'), { kind: 'directory', names: above, links: [], versions: [] })
    }
    const versions = lines.toSorted((a, b) => a.number - b.number).map(({ version }) => version)
    const chosen = which === 'head' ? versions.slice(-1) : versions
    if (nodes.has(key)) throw damaged(`${key} is a file in one line and a folder in another`)
    nodes.set(key, { kind: 'file', names, links: [], versions: chosen })
  }
  return [...nodes.values()]
}

function parseDocument(bytes: Buffer, where: string): DocumentLine {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw damaged(`${where} is no JSON; nothing was imported`)
  }
  const parsed = document.safeParse(value)
  if (!parsed.success)
    throw damaged(`${where} is no document: it needs path, and text or base64; nothing was imported`)
  return parsed.data
}

function contentOf({ text, base64 }: DocumentLine, where: string): Buffer {
  if (typeof text === 'string') return Buffer.from(text)
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  throw damaged(`${where} has neither text nor base64; nothing was imported`)
}

async function* contentAt(
  path: string,
  start: number,
  end: number,
  where: string,
): AsyncGenerator<Uint8Array> {
  const bytes = await collect(createReadStream(path, { start, end: end - 1 }))
  yield contentOf(parseDocument(bytes, where), where)
}
