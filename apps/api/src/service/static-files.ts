import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { FastifyReply } from 'fastify'
import { contentTypeOf } from '../http/content-type.js'
import { PAGE_POLICY } from '../http/security-headers.js'

/**
 * The files of one directory, listed once at start: a request is looked up in that list, so no path, however written,
 * leads out of the directory.
 */
export class StaticFiles {
  readonly #files: ReadonlyMap<string, string>

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files
  }

  /** Lists a directory; none where it is missing. */
  static async open(directory: string | null): Promise<StaticFiles> {
    const entries =
      directory === null
        ? []
        : await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry): [string, string] => {
        const file = join(entry.parentPath, entry.name)
        return [
          `/${relative(directory ?? '', file)
            .split(sep)
            .join('/')}`,
          file,
        ]
      })
    return new StaticFiles(new Map(files))
  }

  /** The file of a path: itself, or the index page for paths that the dashboard's own router knows; null for none. */
  find(pathname: string): string | null {
    const file = this.#files.get(pathname)
    if (file !== undefined) return file
    const looksLikeFile = /\.[a-z0-9]+$/i.test(pathname)
    return looksLikeFile ? null : (this.#files.get('/index.html') ?? null)
  }

  /** Sends a file; names that carry a hash of their content may be kept for ever. */
  send(reply: FastifyReply, file: string): void {
    const hashed = /[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(file) && file.includes(`${sep}assets${sep}`)
    reply
      .header('content-type', contentTypeOf(file))
      .header('content-security-policy', PAGE_POLICY)
      .header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache')
    void reply.send(createReadStream(file))
  }
}
