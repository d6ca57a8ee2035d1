import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import {
  appendFile,
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  readlink,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { nameToBytes, sha256Hex, type TimeSpec, uuid } from '@agentfs/contracts'
import { z } from 'zod'
import { asDocument, takesFrontmatter } from './document-form.js'
import { fileOf, isOrdinary } from './export-plan.js'
import { saveManifest } from './export-state.js'
import { bytesOf, type ExportTarget, type Placed, type PresentContent } from './export-target.js'
import { Hashing, sha256Of, sha256OfStream } from './hashing.js'
import { linesOf } from './lines.js'
import { type Manifest, MANIFEST_NAME, namesOfPlace, type NodeLine, type VersionLine } from './manifest.js'

/** The folder within an export that is under way; it is gone when the export is whole. */
export const STATE_FOLDER = '.agentfs-export'

const doneLine = z.object({
  version: uuid,
  file: z.string(),
  sha256: sha256Hex,
  form: z.enum(['plain', 'document']),
  /** SHA-256 of the file as it lies there. */
  onDisk: sha256Hex,
})

/** An export to a folder: the tree under `files/`, earlier versions under `versions/<node>/`, the manifest beside. */
export class FolderTarget implements ExportTarget {
  readonly #root: string
  readonly #form: 'markdown' | 'plain'
  readonly #done = new Map<string, Placed>()
  readonly #made = new Set<string>()
  #journal: string[] = []

  private constructor(root: string, form: 'markdown' | 'plain') {
    this.#root = root
    this.#form = form
  }

  /** Opens a folder that holds a plan; files that an earlier run finished are believed by their hashes. */
  static async open(root: string, form: 'markdown' | 'plain'): Promise<FolderTarget> {
    const target = new FolderTarget(root, form)
    await mkdir(join(root, 'files'), { recursive: true })
    await target.#findDone()
    return target
  }

  placed({ version }: VersionLine): Placed | undefined {
    return this.#done.get(version)
  }

  async directory(node: NodeLine): Promise<void> {
    const path = this.#pathOf(node)
    if (path !== undefined) await this.#makeDirectory(path)
  }

  async symlink(node: NodeLine): Promise<void> {
    const path = this.#pathOf(node)
    if (path === undefined || node.target === undefined) return
    const target = Buffer.from(nameToBytes(node.target))
    const standing = await readlink(path, 'buffer').catch(() => undefined)
    if (standing?.equals(target) !== true) {
      await rm(path, { force: true })
      await symlink(target, path)
    }
    await lutimes(path, secondsOf(node.mtime), secondsOf(node.mtime))
  }

  async emptyFile(node: NodeLine): Promise<void> {
    const path = this.#pathOf(node)
    if (path === undefined) return
    await writeFile(path, '')
    await this.#dress(path, node)
  }

  async version(
    node: NodeLine,
    version: VersionLine,
    head: boolean,
    content: PresentContent,
  ): Promise<Placed> {
    const file = fileOf(node, version, head)
    const path = join(this.#root, file)
    const temporary = join(this.#root, STATE_FOLDER, 'part')
    let written: string
    let form: 'plain' | 'document' = 'plain'
    await this.#makeDirectory(dirname(path))
    await rm(temporary, { force: true })
    if (content.kind === 'whole') {
      const sha256 = sha256Of(content.bytes)
      const document =
        head && this.#form === 'markdown' && takesFrontmatter(node.path)
          ? asDocument(node, version, sha256, content.bytes)
          : undefined
      await writeFile(temporary, document ?? content.bytes, { flag: 'wx' })
      if (document !== undefined) form = 'document'
      written = sha256
      await this.#settle(temporary, path, head ? node : undefined, version)
      await this.#record(
        version,
        { file, sha256, form },
        document === undefined ? sha256 : sha256Of(document),
      )
    } else {
      const hashing = new Hashing()
      await pipeline(
        Readable.from(hashing.through(bytesOf(content))),
        createWriteStream(temporary, { flags: 'wx' }),
      )
      written = hashing.digest()
      await this.#settle(temporary, path, head ? node : undefined, version)
      await this.#record(version, { file, sha256: written, form }, written)
    }
    return { file, sha256: written, form }
  }

  async links(node: NodeLine): Promise<void> {
    const path = this.#pathOf(node)
    for (const place of node.links ?? []) {
      const names = namesOfPlace(place, 'the plan')
      if (path === undefined || !isOrdinary(names)) continue
      const other = join(this.#root, 'files', ...names)
      await this.#makeDirectory(dirname(other))
      await rm(other, { force: true })
      await link(path, other)
    }
  }

  async finish(manifest: Manifest): Promise<void> {
    await this.#flush()
    // Last and deepest first: what is made in a directory changes its times.
    for (const { line } of manifest.nodes.toReversed()) {
      const path = line.type === 'directory' ? this.#pathOf(line) : undefined
      if (path !== undefined) await this.#dress(path, line)
    }
    await saveManifest(manifest, join(this.#root, MANIFEST_NAME))
    await rm(join(this.#root, STATE_FOLDER), { recursive: true })
  }

  leave(): Promise<void> {
    return this.#flush()
  }

  #pathOf(node: NodeLine): string | undefined {
    const names = namesOfPlace(node, 'the plan')
    return isOrdinary(names) ? join(this.#root, 'files', ...names) : undefined
  }

  async #makeDirectory(path: string): Promise<void> {
    if (this.#made.has(path)) return
    await mkdir(path, { recursive: true })
    this.#made.add(path)
  }

  async #settle(
    temporary: string,
    path: string,
    node: NodeLine | undefined,
    version: VersionLine,
  ): Promise<void> {
    if (node === undefined) {
      const at = new Date(version.at)
      await utimes(temporary, at, at)
    } else await this.#dress(temporary, node)
    await rename(temporary, path)
  }

  /** Mode and time as the agent had them; no set-id bits, which would be given to whoever exports. */
  async #dress(path: string, { mode, mtime }: NodeLine): Promise<void> {
    await chmod(path, mode & 0o777)
    await utimes(path, secondsOf(mtime), secondsOf(mtime))
  }

  async #record(version: VersionLine, placed: Placed, onDisk: string): Promise<void> {
    this.#journal.push(`${JSON.stringify({ version: version.version, ...placed, onDisk })}\n`)
    if (this.#journal.length >= 50 || version.size > 1_048_576) await this.#flush()
  }

  async #flush(): Promise<void> {
    const lines = this.#journal.join('')
    this.#journal = []
    if (lines !== '') await appendFile(this.#donePath, lines)
  }

  get #donePath(): string {
    return join(this.#root, STATE_FOLDER, 'done.ndjson')
  }

  async #findDone(): Promise<void> {
    if (!existsSync(this.#donePath)) return
    let end = 0
    for await (const line of linesOf(createReadStream(this.#donePath))) {
      const parsed = line.whole ? doneLine.safeParse(parseJson(line.bytes)) : undefined
      // A line that was cut by a crash: what it named is fetched again.
      if (parsed?.success !== true) break
      end = line.end + 1
      const { version, file, sha256, form, onDisk } = parsed.data
      if ((await hashOfFile(join(this.#root, file))) === onDisk)
        this.#done.set(version, { file, sha256, form })
    }
    await truncate(this.#donePath, end)
  }
}

/** Seconds with their fraction, as utimes takes them. */
function secondsOf([seconds, nanoseconds]: TimeSpec): number {
  return seconds + nanoseconds / 1e9
}

async function hashOfFile(path: string): Promise<string | undefined> {
  try {
    if (!(await lstat(path)).isFile()) return undefined
    return await sha256OfStream(createReadStream(path))
  } catch {
    return undefined
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
