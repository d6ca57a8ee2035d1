import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BegunPart, UploadStore } from '@agentfs/sdk'
import { z } from 'zod'
import { makeFolders } from '../make-folders.js'

const DAY_MS = 24 * 3_600_000
/** The service drops parts that no file was made of sooner than this. */
const KEPT_MS = 7 * DAY_MS

const begunPart = z.object({
  node: z.string(),
  part: z.string(),
  index: z.int().nonnegative(),
  bytes: z.int().positive(),
  sha256: z.string().length(64),
})

/**
 * What `put` has sent of a large file, in a file of mode 0600 of the client's state directory: one JSON object a line. Its name
 * is made of the service, the agent, the path and the source as it is now, so that a source that was changed is another one.
 */
export class UploadState implements UploadStore {
  readonly #directory: string
  readonly #path: string

  private constructor(directory: string, name: string) {
    this.#directory = directory
    this.#path = join(directory, name)
  }

  /** Of the file at `source`; undefined where that is none, and is read once. */
  static async of(
    stateDirectory: string,
    target: { readonly url: string; readonly agent: string; readonly path: string },
    source: string,
  ): Promise<UploadState | undefined> {
    const found = await stat(source, { bigint: true })
    if (!found.isFile()) return undefined
    const { dev, ino, size, mtimeNs } = found
    const identity = [target.url, target.agent, target.path, ...[dev, ino, size, mtimeNs].map(String)]
    const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex')
    return new UploadState(join(stateDirectory, 'uploads'), `${name}.jsonl`)
  }

  async load(): Promise<readonly BegunPart[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => '')
    return text.split('\n').flatMap((line) => partOf(line) ?? [])
  }

  async save(part: BegunPart): Promise<void> {
    // The line begins with its end: one that was cut off spoils no other.
    const line = `\n${JSON.stringify(part)}`
    const append = (): Promise<void> => appendFile(this.#path, line, { mode: 0o600 })
    await append().catch(async (error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      makeFolders(this.#directory, 0o700)
      await append()
    })
  }

  async clear(): Promise<void> {
    await rm(this.#path, { force: true })
    await this.#forgetOld()
  }

  /** Uploads that nobody went on with. */
  async #forgetOld(): Promise<void> {
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name)
      const found = await stat(path).catch(() => undefined)
      if (found !== undefined && Date.now() - found.mtimeMs > KEPT_MS) await rm(path, { force: true })
    }
  }
}

function partOf(line: string): BegunPart | undefined {
  if (line === '') return undefined
  try {
    return begunPart.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}
