import { feedFrame, type FeedFrame } from '@agentfs/contracts'
import { waitFor } from '@agentfs/testkit'
import { WebSocket } from 'ws'
import { decodeWire, encodeWire } from '../http/wire.js'

/** A feed as a client sees it. */
export class FeedClient {
  readonly frames: FeedFrame[] = []
  readonly socket: WebSocket
  /** Code and reason, once closed. */
  closed: { readonly code: number; readonly reason: string } | null = null
  /** The HTTP answer, where the upgrade was refused. */
  refused: { readonly status: number; readonly body: string; readonly contentType: string } | null = null

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), { headers: { ...headers } })
    this.socket.on('message', (data: Buffer) =>
      this.frames.push(feedFrame.parse(decodeWire('msgpack', data))),
    )
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    this.socket.on('error', () => undefined)
    this.socket.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => {
        const { statusCode = 0, headers: answered } = response
        this.refused = { status: statusCode, body, contentType: answered['content-type'] ?? '' }
      })
    })
  }

  /** The frames of one type, in the order they came. */
  of<K extends FeedFrame['type']>(type: K): Extract<FeedFrame, { type: K }>[] {
    return this.frames.filter((frame): frame is Extract<FeedFrame, { type: K }> => frame.type === type)
  }

  /** Sends a fresh token. */
  renew(accessToken: string): void {
    this.socket.send(encodeWire('msgpack', { type: 'token', accessToken }))
  }

  /** Waits for something to become true of it. */
  async until(what: string, condition: (feed: this) => boolean, deadlineMs = 5_000): Promise<void> {
    await waitFor(() => condition(this), { deadlineMs, what, pollMs: 2 })
  }
}
