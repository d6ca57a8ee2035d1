import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { rename, truncate } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { sha256Hex, uuid } from '@agentfs/contracts'
import { ownFrontmatter } from '@agentfs/document'
import { z } from 'zod'
import { collect } from './collect.js'
import { saveManifest } from './export-state.js'
import { bytesOf, type ExportTarget, type Placed, type PresentContent } from './export-target.js'
import { sha256Of } from './hashing.js'
import { linesOf } from './lines.js'
import type { Manifest, NodeLine, VersionLine } from './manifest.js'

/** Content above this many bytes does not fit a line that ordinary readers can take. */
const LINE_CONTENT_MAX = 128 * 1_048_576

const written = z.looseObject({ version: uuid, sha256: sha256Hex })

/** What the manifest beside a JSONL export is called. */
export function manifestBeside(path: string): string {
  return `${path}.manifest.ndjson`
}

/** An export with one document a line, nothing else between them; the manifest lies beside the file. */
export class JsonlTarget implements ExportTarget {
  readonly #out: Writable
  readonly #agent: string
  readonly #files: { readonly partial: string; readonly final: string } | undefined
  readonly #done: ReadonlyMap<string, Placed>
  #failure: Error | undefined

  private constructor(
    agent: string,
    out: Writable,
    files?: { readonly partial: string; readonly final: string },
    done: ReadonlyMap<string, Placed> = new Map(),
  ) {
    this.#agent = agent
    this.#out = out
    this.#files = files
    this.#done = done
    out.on('error', (error: Error) => (this.#failure ??= error))
  }

  /** To standard output, without a manifest. */
  static toStream(agent: string, out: Writable): JsonlTarget {
    return new JsonlTarget(agent, out)
  }

  /** To a file; whole lines that an earlier run left are kept. */
  static async toFile(agent: string, final: string, partial: string): Promise<JsonlTarget> {
    const done = new Map<string, Placed>()
    let end = 0
    if (existsSync(partial)) {
      for await (const line of linesOf(createReadStream(partial))) {
        const parsed = line.whole ? written.safeParse(parseJson(line.bytes)) : undefined
        if (parsed?.success !== true) break
        done.set(parsed.data.version, { sha256: parsed.data.sha256 })
        end = line.end + 1
      }
      await truncate(partial, end)
    }
    const out = createWriteStream(partial, existsSync(partial) ? { flags: 'r+', start: end } : {})
    await once(out, 'open')
    return new JsonlTarget(agent, out, { partial, final }, done)
  }

  placed({ version }: VersionLine): Placed | undefined {
    return this.#done.get(version)
  }

  // A line is a document: the manifest tells of everything else.
  directory(): Promise<void> {
    return Promise.resolve()
  }
  symlink(): Promise<void> {
    return Promise.resolve()
  }
  emptyFile(): Promise<void> {
    return Promise.resolve()
  }
  links(): Promise<void> {
    return Promise.resolve()
  }

  async version(
    node: NodeLine,
    version: VersionLine,
    head: boolean,
    content: PresentContent,
  ): Promise<Placed> {
    if (version.size > LINE_CONTENT_MAX) {
      return { missing: 'too large for a line; export with --format tar or folder' }
    }
    const bytes = await collect(bytesOf(content))
    const sha256 = sha256Of(bytes)
    const isText = isUtf8(bytes)
    const { path, pathBase64, node: id } = node
    const { number, parents, author, at, size } = version
    await this.#write({
      path,
      ...(pathBase64 === undefined ? {} : { pathBase64 }),
      agent: this.#agent,
      id,
      version: version.version,
      number,
      head,
      ...(node.deletedAt === undefined ? {} : { deletedAt: node.deletedAt }),
      parents,
      author,
      at,
      size,
      sha256,
      text: isText ? bytes.toString('utf8') : null,
      base64: isText ? null : bytes.toString('base64'),
      frontmatter: isText ? ownFrontmatter(bytes) : null,
    })
    return { sha256 }
  }

  async finish(manifest: Manifest): Promise<void> {
    if (this.#files === undefined) return
    await this.#end()
    await saveManifest(manifest, manifestBeside(this.#files.final))
    await rename(this.#files.partial, this.#files.final)
  }

  async leave(): Promise<void> {
    if (this.#files !== undefined) await this.#end().catch(() => undefined)
  }

  async #write(value: object): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#out.write(`${JSON.stringify(value)}\n`)) return
    await once(this.#out, 'drain')
  }

  async #end(): Promise<void> {
    this.#out.end()
    await finished(this.#out)
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
