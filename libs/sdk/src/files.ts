import type {
  AppendAnswer,
  DeletedFile,
  Erasure,
  ListOf,
  Stat,
  Version,
  WriteAnswer,
} from '@agentfs/contracts'
import type { Http, RequestBody, RequestOptions } from './http.js'
import { encodePath } from './paths.js'
import { SyncRoutes } from './sync.js'
import { upload, type UploadOptions } from './upload.js'
import type { UploadSource } from './upload-source.js'
import type { WriteBody, WriteOptions } from './write-options.js'

/** What a reader may ask for. */
export interface ReadOptions {
  /** A version's id or number; the head where absent. */
  readonly version?: string | number
  /** An instant (RFC 3339): the version that was the head then. */
  readonly at?: string
  /** The first byte, and how many. */
  readonly offset?: number
  readonly length?: number
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** Content with the facts of its version. */
export interface FileContent {
  readonly bytes: Uint8Array
  readonly version: string
  readonly seq: number
  readonly epoch: number
  readonly contentType: string
}

/** How an append is sent. */
export interface AppendOptions {
  /** With the same key an append may be sent again after a lost answer: it is carried out once. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

/** The files of one agent, by path. */
export class Files {
  readonly #http: Http
  readonly #agent: string
  readonly #base: string

  constructor(http: Http, agent: string) {
    this.#http = http
    this.#agent = agent
    this.#base = `/v1/agents/${encodeURIComponent(agent)}`
  }

  /** A file's bytes, whole or a range. */
  async read(path: string, options: ReadOptions = {}): Promise<FileContent> {
    const response = await this.open(path, options)
    return {
      bytes: new Uint8Array(await response.arrayBuffer()),
      version: (response.headers.get('etag') ?? '').replaceAll('"', ''),
      seq: Number(response.headers.get('agentfs-seq') ?? 0),
      epoch: Number(response.headers.get('agentfs-epoch') ?? 0),
      contentType: response.headers.get('content-type') ?? 'application/octet-stream',
    }
  }

  /** A file's text, as UTF-8. */
  async readText(path: string, options: ReadOptions = {}): Promise<string> {
    return new TextDecoder().decode((await this.read(path, options)).bytes)
  }

  /** The answer itself, its body to be streamed. */
  open(path: string, options: ReadOptions = {}): Promise<Response> {
    const headers: Record<string, string> = {}
    if (options.offset !== undefined || options.length !== undefined) {
      const from = options.offset ?? 0
      headers['range'] = `bytes=${from}-${options.length === undefined ? '' : from + options.length - 1}`
    }
    return this.#http.request('GET', `${this.#base}/files/${encodePath(path)}`, {
      headers,
      query: { version: options.version, at: options.at },
      ...pick(options),
    })
  }

  /** Writes a whole file; without a precondition it replaces what is there, and the old version stays in the history. */
  write(path: string, body: WriteBody, options: WriteOptions = {}): Promise<WriteAnswer> {
    const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
    if (options.ifMatch !== undefined) headers['if-match'] = `"${options.ifMatch}"`
    if (options.createOnly === true) headers['if-none-match'] = '*'
    return this.#http.json('PUT', `${this.#base}/files/${encodePath(path)}`, {
      headers,
      body: body as RequestBody,
      query: { parents: options.parents },
      ...pick(options),
    })
  }

  /**
   * Writes a whole file of any size by parts: a dropped connection costs the parts that were under way, and those are sent
   * again by themselves. With a credential that is limited to some paths it goes up in one request, as by `write`.
   */
  upload(path: string, source: UploadSource, options: UploadOptions = {}): Promise<WriteAnswer> {
    const http = this.#http
    const target = { http, base: this.#base, files: this, sync: new SyncRoutes(http, this.#agent) }
    return upload(target, path, source, options)
  }

  /** Adds bytes at the end; never in conflict with another writer. */
  append(path: string, body: WriteBody, options: AppendOptions = {}): Promise<AppendAnswer> {
    const { idempotencyKey } = options
    return this.#http.json('PATCH', `${this.#base}/files/${encodePath(path)}`, {
      headers: {
        'content-type': 'application/octet-stream',
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      body: body as RequestBody,
      query: { op: 'append' },
      ...pick(options),
    })
  }

  /**
   * Removes a file, or with `recursive` a directory and all below. `erase` deletes the keys too, with no way back; the answer
   * then says what is still to follow, null where nothing is.
   */
  async remove(
    path: string,
    options: { recursive?: boolean; erase?: boolean; ifMatch?: string } = {},
  ): Promise<Erasure | null> {
    const response = await this.#http.request('DELETE', `${this.#base}/files/${encodePath(path)}`, {
      query: { recursive: options.recursive, erase: options.erase },
      ...(options.ifMatch === undefined ? {} : { headers: { 'if-match': `"${options.ifMatch}"` } }),
    })
    return response.status === 202 ? ((await response.json()) as Erasure) : null
  }

  /** What is known of a path. */
  stat(path: string): Promise<Stat> {
    return this.#http.json('GET', `${this.#base}/stat`, { query: { path } })
  }

  /** What is known of a node, wherever it is by now. */
  statNode(node: string): Promise<Stat> {
    return this.#http.json('GET', `${this.#base}/nodes/${encodeURIComponent(node)}`)
  }

  /** One page of the entries below a path: one level, or as many as the glob can reach, where no depth is given. */
  list(
    path = '',
    options: { depth?: number; glob?: string; limit?: number; cursor?: string } = {},
  ): Promise<ListOf<Stat>> {
    return this.#http.json('GET', `${this.#base}/tree`, { query: { path, ...options } })
  }

  /** All entries below a path, page by page. */
  async *walk(path = '', options: { depth?: number; glob?: string } = {}): AsyncGenerator<Stat> {
    let cursor: string | undefined
    do {
      const page = await this.list(path, {
        ...options,
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      })
      yield* page.data
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
  }

  mkdir(path: string, options: { parents?: boolean } = {}): Promise<WriteAnswer> {
    return this.#http.json('POST', `${this.#base}/mkdir`, { json: { path, ...options } })
  }

  move(from: string, to: string, options: { overwrite?: boolean } = {}): Promise<WriteAnswer> {
    return this.#http.json('POST', `${this.#base}/move`, { json: { from, to, ...options } })
  }

  copy(from: string, to: string, options: { overwrite?: boolean } = {}): Promise<WriteAnswer> {
    return this.#http.json('POST', `${this.#base}/copy`, { json: { from, to, ...options } })
  }

  /** A page of a file's versions, newest first. */
  versions(path: string, options: { limit?: number; cursor?: string } = {}): Promise<ListOf<Version>> {
    return this.#http.json('GET', `${this.#base}/versions`, { query: { path, ...options } })
  }

  /** A page of the versions of a node, newest first; of a deleted file too, while it can be restored. */
  versionsOfNode(node: string, options: { limit?: number; cursor?: string } = {}): Promise<ListOf<Version>> {
    return this.#http.json('GET', `${this.#base}/nodes/${encodeURIComponent(node)}/versions`, {
      query: options,
    })
  }

  /** A page of the deleted files that can still be restored, each with where it last was. */
  deleted(options: { limit?: number; cursor?: string } = {}): Promise<ListOf<DeletedFile>> {
    return this.#http.json('GET', `${this.#base}/deleted`, { query: options })
  }

  /** Makes an old version, by id, number or instant, the head again (as a new version). */
  restore(path: string, which: { version: string | number } | { at: string }): Promise<WriteAnswer> {
    return this.#http.json('POST', `${this.#base}/restore`, { json: { path, ...which } })
  }
}

function pick(options: { signal?: AbortSignal; timeoutMs?: number }): Partial<RequestOptions> {
  return {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  }
}
