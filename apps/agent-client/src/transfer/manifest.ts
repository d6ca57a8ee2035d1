import {
  AgentfsError,
  assertName,
  type Name,
  nameFromBytes,
  nameToBytes,
  sha256Hex,
  timeSpec,
  uuid,
} from '@agentfs/contracts'
import { z } from 'zod'

/** What the manifest of an export is called, in its folder or archive. */
export const MANIFEST_NAME = 'agentfs-export.ndjson'
/** The newest version of the format. Exports with deleted files have it: a client that knew only the first would revive them. */
const MANIFEST_VERSION = 2

const place = z.object({ path: z.string(), pathBase64: z.base64().optional() })
/** A path, also in bytes where it is no UTF-8. */
export type Place = z.infer<typeof place>

const headerLine = z.object({
  type: z.literal('export'),
  format: z.literal('agentfs-export'),
  formatVersion: z.union([z.literal(1), z.literal(MANIFEST_VERSION)]),
  agent: z.object({ id: uuid, name: z.string() }),
  /** The address the whole tree is as of. */
  epoch: z.int(),
  seq: z.int(),
  /** The directory exported; all paths are relative to it. */
  path: z.string(),
  versions: z.enum(['all', 'head']),
  /** `markdown`: Markdown files carry our line of frontmatter; `plain`: no file does. */
  form: z.enum(['markdown', 'plain']),
  /** Deleted files are in it too, behind all others. */
  deleted: z.literal(true).optional(),
  exportedAt: z.iso.datetime(),
})
type HeaderLine = z.infer<typeof headerLine>

const nodeLine = place.extend({
  type: z.enum(['directory', 'file', 'symlink']),
  node: uuid,
  mode: z.int().min(0).max(0o7777),
  uid: z.int().min(0),
  gid: z.int().min(0),
  mtime: timeSpec,
  createdAt: z.iso.datetime(),
  modifiedAt: z.iso.datetime(),
  modifiedBy: z.string(),
  target: z.string().optional(),
  /** Values in base64. */
  xattrs: z.record(z.string(), z.string()).optional(),
  /** Further names of the same file (hard links). */
  links: z.array(place).optional(),
  /** Of a file that was deleted and can still be restored; its path is where it last was, and no folder of it need be there. */
  deletedAt: z.iso.datetime().optional(),
})
/** A node; parents come before what is in them. */
export type NodeLine = z.infer<typeof nodeLine>

const versionLine = z.object({
  type: z.literal('version'),
  node: uuid,
  version: uuid,
  number: z.int().min(1),
  parents: z.array(uuid),
  /** The numbers of those parents that are listed with it. */
  parentNumbers: z.array(z.int().min(1)),
  author: z.string(),
  at: z.iso.datetime(),
  size: z.int().min(0),
  /** Of the content itself, without our line. Absent where the content could not be had. */
  sha256: sha256Hex.optional(),
  /** Where the content is within the export; absent in a JSONL export, whose lines are found by version. */
  file: z.string().optional(),
  form: z.enum(['plain', 'document']).optional(),
  missing: z.string().optional(),
})
/** A version of the file before it, oldest first; the last one is the head. */
export type VersionLine = z.infer<typeof versionLine>

const endLine = z.object({ type: z.literal('end'), nodes: z.int(), versions: z.int(), bytes: z.int() })
/** The last line: without it the manifest is cut short. */
type EndLine = z.infer<typeof endLine>

const line = z.union([headerLine, nodeLine, versionLine, endLine])
type Line = z.infer<typeof line>

/** A node with its versions. */
export interface ManifestNode {
  readonly line: NodeLine
  readonly versions: VersionLine[]
}

/** A whole manifest. */
export interface Manifest {
  readonly header: HeaderLine
  readonly nodes: readonly ManifestNode[]
}

/** Writes a manifest down, line by line. */
export function* manifestLines({ header, nodes }: Manifest): Generator<string> {
  yield `${JSON.stringify(header)}\n`
  let versions = 0
  let bytes = 0
  for (const node of nodes) {
    yield `${JSON.stringify(node.line)}\n`
    for (const version of node.versions) {
      versions++
      bytes += version.size
      yield `${JSON.stringify(version)}\n`
    }
  }
  const end: EndLine = { type: 'end', nodes: nodes.length, versions, bytes }
  yield `${JSON.stringify(end)}\n`
}

/** Reads a manifest; throws `invalid_request` that names the line for anything that is none, or cut short. */
export async function readManifest(lines: AsyncIterable<string>, what: string): Promise<Manifest> {
  let header: HeaderLine | undefined
  let end: EndLine | undefined
  const nodes: ManifestNode[] = []
  let number = 0
  for await (const text of lines) {
    number++
    const parsed = parseLine(text, `${what}, line ${number}`)
    if (end !== undefined) throw damaged(`${what}, line ${number}: something follows the end`)
    if (number === 1) {
      if (parsed.type !== 'export') throw damaged(`${what}, line 1 is no header of an export`)
      header = parsed
    } else if (parsed.type === 'end') end = parsed
    else if (parsed.type === 'version') {
      const last = nodes.at(-1)
      if (last?.line.type !== 'file' || last.line.node !== parsed.node) {
        throw damaged(`${what}, line ${number}: a version stands behind another file`)
      }
      last.versions.push(parsed)
    } else if (parsed.type === 'export') throw damaged(`${what}, line ${number}: a second header`)
    else nodes.push({ line: parsed, versions: [] })
  }
  if (header === undefined) throw damaged(`${what} is empty`)
  if (end === undefined || end.nodes !== nodes.length) {
    throw damaged(
      `${what} is cut short after line ${number}; export again, or finish it with export --resume`,
    )
  }
  return { header, nodes }
}

function parseLine(text: string, where: string): Line {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw damaged(`${where} is no JSON`)
  }
  const parsed = line.safeParse(value)
  if (parsed.success) return parsed.data
  const newer = z.looseObject({ formatVersion: z.int() }).safeParse(value)
  if (newer.success && newer.data.formatVersion > MANIFEST_VERSION) {
    throw damaged(`${where}: made by a newer agentfs-client; update this one`)
  }
  throw damaged(`${where} is no line of an agentfs manifest`)
}

/** The error for a source that is not what it should be. */
export function damaged(detail: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail })
}

/** A path as the manifest tells it. */
export function placeOf(names: readonly Name[]): Place {
  if (names.every((name) => !name.startsWith('\0'))) return { path: names.join('/') }
  const bytes = Buffer.from(
    names.map((name) => Buffer.from(nameToBytes(name)).toString('latin1')).join('/'),
    'latin1',
  )
  return { path: bytes.toString('utf8'), pathBase64: bytes.toString('base64') }
}

/** The names of a path that a source tells; refuses what would lead out of where it is put. */
export function namesOfPlace({ path, pathBase64 }: Place, where: string): Name[] {
  const bytes = pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64')
  if (bytes.length === 0) return []
  const names = bytes
    .toString('latin1')
    .split('/')
    .map((name) => nameFromBytes(Buffer.from(name, 'latin1')))
  try {
    for (const name of names) assertName(name)
  } catch (error) {
    throw damaged(`${where}: the path ${JSON.stringify(path)} is refused: ${(error as Error).message}`)
  }
  return names
}
