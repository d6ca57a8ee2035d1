import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, truncate } from 'node:fs/promises'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Header, pack, type Pack } from 'tar-stream'
import { collect } from './collect.js'
import { asDocument, contentOfDocument, takesFrontmatter } from './document-form.js'
import { Hashing, sha256Of, sha256OfStream } from './hashing.js'
import { fileOf, isOrdinary } from './export-plan.js'
import { bytesOf, type ExportTarget, type Placed, type PresentContent } from './export-target.js'
import {
  type Manifest,
  MANIFEST_NAME,
  manifestLines,
  namesOfPlace,
  type NodeLine,
  type VersionLine,
} from './manifest.js'
import { endOfEntry, listTar, readEntry, type TarEntry } from './tar-entries.js'
import { SMALL_BYTES_MAX } from './version-contents.js'

const OCTAL_OWNER_MAX = 0o777777

type EntryHeader = Partial<Header> & Pick<Header, 'name'>

/** An export as a tar stream: what a folder export holds, in the same places, the manifest last. */
export class TarTarget implements ExportTarget {
  readonly #form: 'markdown' | 'plain'
  readonly #pack: Pack = pack()
  readonly #written: Promise<void>
  readonly #files: { readonly partial: string; readonly final: string } | undefined
  readonly #there: ReadonlyMap<string, TarEntry>
  readonly #done: ReadonlyMap<string, Placed>

  private constructor(
    form: 'markdown' | 'plain',
    out: Writable,
    files?: { readonly partial: string; readonly final: string },
    there: ReadonlyMap<string, TarEntry> = new Map(),
    done: ReadonlyMap<string, Placed> = new Map(),
  ) {
    this.#form = form
    this.#files = files
    this.#there = there
    this.#done = done
    // Standard output is not ours to end.
    this.#written = pipeline(Readable.from(this.#pack), out, { end: files !== undefined })
    this.#written.catch(() => this.#pack.destroy())
  }

  /** To standard output. */
  static toStream(form: 'markdown' | 'plain', out: Writable): TarTarget {
    return new TarTarget(form, out)
  }

  /** To a file; what an earlier run left of it is kept as far as it is whole. */
  static async toFile(
    form: 'markdown' | 'plain',
    final: string,
    partial: string,
    plan: Manifest,
  ): Promise<TarTarget> {
    const { entries } = await listTar(partial).catch(() => ({ entries: [] as TarEntry[] }))
    const there = new Map(entries.map((entry) => [entry.name, entry]))
    const end = entries.reduce((most, entry) => Math.max(most, endOfEntry(entry)), 0)
    const done = await placedIn(partial, there, plan)
    if (entries.length > 0) await truncate(partial, end)
    const out = createWriteStream(partial, entries.length > 0 ? { flags: 'r+', start: end } : {})
    await once(out, 'open')
    return new TarTarget(form, out, { partial, final }, there, done)
  }

  placed({ version }: VersionLine): Placed | undefined {
    return this.#done.get(version)
  }

  async directory(node: NodeLine): Promise<void> {
    const name = nameOf(node)
    if (name !== undefined) await this.#entry({ ...headersOf(node), name: `${name}/`, type: 'directory' })
  }

  async symlink(node: NodeLine): Promise<void> {
    const name = nameOf(node)
    // Archives have their names and targets in UTF-8; of others the manifest tells.
    if (name === undefined || node.target === undefined || node.target.startsWith('\0')) return
    await this.#entry({ ...headersOf(node), name, type: 'symlink', linkname: node.target })
  }

  async emptyFile(node: NodeLine): Promise<void> {
    const name = nameOf(node)
    if (name !== undefined) await this.#entry({ ...headersOf(node), name, size: 0 })
  }

  async version(
    node: NodeLine,
    version: VersionLine,
    head: boolean,
    content: PresentContent,
  ): Promise<Placed> {
    const file = fileOf(node, version, head)
    const at = new Date(version.at)
    const headers: EntryHeader = head
      ? { ...headersOf(node), name: file }
      : { name: file, mode: 0o644, mtime: at, pax: { mtime: String(at.getTime() / 1_000) } }
    if (content.kind === 'pieces') {
      const hashing = new Hashing()
      await this.#stream({ ...headers, size: version.size }, hashing.through(bytesOf(content)))
      return { file, sha256: hashing.digest(), form: 'plain' }
    }
    const sha256 = sha256Of(content.bytes)
    const document =
      head && this.#form === 'markdown' && takesFrontmatter(node.path)
        ? asDocument(node, version, sha256, content.bytes)
        : undefined
    await this.#entry(headers, Buffer.from(document ?? content.bytes))
    return { file, sha256, form: document === undefined ? 'plain' : 'document' }
  }

  async links(node: NodeLine): Promise<void> {
    const linkname = nameOf(node)
    for (const place of node.links ?? []) {
      const name = nameOf({ ...node, ...place })
      if (name === undefined || linkname === undefined) continue
      await this.#entry({ ...headersOf(node), name, type: 'link', linkname })
    }
  }

  async finish(manifest: Manifest): Promise<void> {
    let size = 0
    for (const line of manifestLines(manifest)) size += Buffer.byteLength(line)
    const mtime = new Date(manifest.header.exportedAt)
    await this.#stream({ name: MANIFEST_NAME, mode: 0o644, mtime, size }, encoded(manifestLines(manifest)))
    this.#pack.finalize()
    await this.#written
    if (this.#files !== undefined) await rename(this.#files.partial, this.#files.final)
  }

  async leave(): Promise<void> {
    this.#pack.destroy()
    await this.#written.catch(() => undefined)
  }

  async #entry(headers: EntryHeader, bytes?: Buffer): Promise<void> {
    if (this.#there.has(headers.name)) return
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null): void =>
        error === undefined || error === null ? resolve() : reject(error)
      if (bytes === undefined) this.#pack.entry(headers, done).end(undefined)
      else this.#pack.entry(headers, bytes, done)
      this.#written.catch(reject)
    })
  }

  async #stream(headers: EntryHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const entry = this.#pack.entry(headers)
    await Promise.race([pipeline(Readable.from(chunks), entry), this.#failure()])
  }

  /** Rejects when writing fails, and settles never else. */
  #failure(): Promise<never> {
    return new Promise((_, reject) => void this.#written.catch(reject))
  }
}

/** Which versions of a plan lie whole in what an earlier run left. */
async function placedIn(
  partial: string,
  there: ReadonlyMap<string, TarEntry>,
  plan: Manifest,
): Promise<Map<string, Placed>> {
  const done = new Map<string, Placed>()
  for (const { line, versions } of plan.nodes) {
    for (const [at, version] of versions.entries()) {
      const file = fileOf(line, version, at === versions.length - 1)
      const entry = there.get(file)
      if (entry === undefined) continue
      const placed = await placedAs(partial, entry, version)
      done.set(version.version, { file, ...placed })
    }
  }
  return done
}

async function placedAs(
  partial: string,
  entry: TarEntry,
  version: VersionLine,
): Promise<Omit<Placed, 'file'>> {
  if (entry.size === version.size) {
    return { sha256: await sha256OfStream(readEntry(partial, entry)), form: 'plain' }
  }
  // Only documents are longer than their content, and those are small.
  if (entry.size > 2 * SMALL_BYTES_MAX)
    throw new Error(`${partial} holds something else under ${entry.name}; start anew`)
  const content = contentOfDocument(await collect(readEntry(partial, entry)))
  if (content === undefined)
    throw new Error(`${partial} holds something else under ${entry.name}; start anew`)
  return { sha256: sha256Of(content), form: 'document' }
}

function nameOf(node: NodeLine): string | undefined {
  const names = namesOfPlace(node, 'the plan')
  return isOrdinary(names) ? ['files', ...names].join('/') : undefined
}

function headersOf({ mode, uid, gid, mtime: [seconds, nanoseconds] }: NodeLine): Omit<EntryHeader, 'name'> {
  return {
    mode: mode & 0o777,
    uid,
    gid,
    mtime: new Date(Math.max(0, seconds) * 1_000),
    pax: {
      mtime: seconds < 0 ? String(seconds) : `${seconds}.${String(nanoseconds).padStart(9, '0')}`,
      ...(uid > OCTAL_OWNER_MAX ? { uid: String(uid) } : {}),
      ...(gid > OCTAL_OWNER_MAX ? { gid: String(gid) } : {}),
    },
  }
}

async function* encoded(lines: Iterable<string>): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(line)
}
