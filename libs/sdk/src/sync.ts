import {
  changesPage,
  contentsAnswer,
  missingPartsAnswer,
  partAnswer,
  pushAnswer,
  snapshotPage,
  type ChangesPage,
  type ContentsAnswer,
  type ContentsRequest,
  type PartAnswer,
  type PushAnswer,
  type SnapshotPage,
} from '@agentfs/contracts'
import type { z } from 'zod'
import type { Http, RequestOptions } from './http.js'
import { MESSAGE_PACK, packMessage, unpackMessage } from './message-pack.js'

/** The sync routes of one agent [SY-2..SY-13], for clients that keep a store. */
export class SyncRoutes {
  readonly #http: Http
  readonly #base: string

  constructor(http: Http, agent: string) {
    this.#http = http
    this.#base = `/v1/agents/${encodeURIComponent(agent)}`
  }

  /** One page of the tree; the first without a cursor. */
  snapshot(options: { cursor?: string; limit?: number; under?: string } = {}): Promise<SnapshotPage> {
    return this.#message(snapshotPage, 'GET', '/snapshot', { query: options })
  }

  /** Commits after an address. Throws `epoch_changed` or `too_old` where only a snapshot helps. */
  changes(since: number, epoch: number): Promise<ChangesPage> {
    return this.#message(changesPage, 'GET', '/changes', { query: { since, epoch } })
  }

  /** Sends a frozen push: the very bytes, whose SHA-256 is the push's digest [SY-8]. */
  push(body: Uint8Array<ArrayBuffer>, epoch: number, signal?: AbortSignal): Promise<PushAnswer> {
    return this.#message(pushAnswer, 'POST', '/sync', {
      body,
      headers: { 'content-type': MESSAGE_PACK, 'agentfs-epoch': String(epoch) },
      timeoutMs: 60_000,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** Sends a part's plain bytes ahead of the push that names it [SY-13]; `parent` where the node is new. */
  putPart(
    node: string,
    part: string,
    bytes: Uint8Array<ArrayBuffer>,
    options: { parent?: string; signal?: AbortSignal } = {},
  ): Promise<PartAnswer> {
    return this.#message(partAnswer, 'PUT', `/nodes/${node}/parts/${part}`, {
      body: bytes,
      headers: { 'content-type': 'application/octet-stream' },
      query: { parent: options.parent },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
  }

  /** Those of some parts that the service lacks. */
  async missingParts(parts: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    const { missing } = await this.#message(missingPartsAnswer, 'POST', '/parts/missing', {
      body: packMessage({ parts }),
      headers: { 'content-type': MESSAGE_PACK },
      ...(signal === undefined ? {} : { signal }),
    })
    return missing
  }

  /** Bytes of one version of a node. */
  async content(
    node: string,
    version: string,
    range?: { offset: number; length: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const response = await this.#http.request('GET', `${this.#base}/nodes/${node}/content`, {
      query: { version },
      ...(range === undefined
        ? {}
        : { headers: { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } }),
      ...(signal === undefined ? {} : { signal }),
    })
    return new Uint8Array(await response.arrayBuffer())
  }

  /** Many small contents in one request; what is missing from the answer is to be asked for singly. */
  contents(request: ContentsRequest, signal?: AbortSignal): Promise<ContentsAnswer> {
    return this.#message(contentsAnswer, 'POST', '/contents', {
      body: packMessage(request),
      headers: { 'content-type': MESSAGE_PACK },
      ...(signal === undefined ? {} : { signal }),
    })
  }

  /** Where the feed's WebSocket is to be opened, and with which headers. */
  async feed(since: number, epoch: number): Promise<{ url: string; headers: Record<string, string> }> {
    const url = `${this.#http.baseUrl.replace(/^http/, 'ws')}${this.#base}/feed?since=${since}&epoch=${epoch}`
    return { url, headers: await this.#http.headers() }
  }

  async #message<T>(shape: z.ZodType<T>, method: string, path: string, options: RequestOptions): Promise<T> {
    const response = await this.#http.request(method, `${this.#base}${path}`, {
      ...options,
      headers: { accept: MESSAGE_PACK, ...options.headers },
    })
    return shape.parse(unpackMessage(new Uint8Array(await response.arrayBuffer())))
  }
}
