import { AgentfsError, feedFrame, HTTP_STATUS, type ErrorCode, type FeedFrame } from '@agentfs/contracts'
import { packMessage, unpackMessage } from '@agentfs/sdk'
import { WebSocket, type RawData } from 'ws'

/** Silence after which a feed counts as unhealthy; heartbeats come every second [SY-3]. */
const FEED_SILENCE_MS = 3_000
const HANDSHAKE_MS = 5_000

/** What a feed tells its owner. Frames come in order; after `onEnd` nothing comes. */
export interface FeedListener {
  onFrame(frame: FeedFrame): void
  /** `silent` where heartbeats stopped although the connection looks open. */
  onEnd(end: { readonly silent: boolean; readonly error: Error | null }): void
}

/** One WebSocket to the service. It ends by itself on silence; it never reconnects. */
export class Feed {
  readonly #socket: WebSocket
  readonly #listener: FeedListener
  #watchdog: NodeJS.Timeout | undefined
  #ended = false

  constructor(
    address: { url: string; headers: Record<string, string> },
    listener: FeedListener,
    ca?: string,
  ) {
    this.#listener = listener
    this.#socket = new WebSocket(address.url, {
      headers: address.headers,
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
      maxPayload: 64 * 1_048_576,
      ...(ca === undefined ? {} : { ca }),
    })
    this.#socket.binaryType = 'nodebuffer'
    this.#socket.on('open', () => this.#watch())
    this.#socket.on('message', (data: RawData) => this.#receive(data))
    this.#socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => this.#end(false, problemOf(response.statusCode ?? 0, Buffer.concat(chunks))))
      response.on('error', (error) => this.#end(false, error))
    })
    this.#socket.on('error', (error) => this.#end(false, unreachable(error)))
    this.#socket.on('close', () => this.#end(false, null))
  }

  /** Hands the service a fresh access token before the old one ends. */
  renew(accessToken: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(packMessage({ type: 'token', accessToken }))
    }
  }

  /** Ends the feed without telling the listener. */
  close(): void {
    this.#ended = true
    clearTimeout(this.#watchdog)
    this.#socket.terminate()
  }

  #receive(data: RawData): void {
    if (this.#ended) return
    this.#watch()
    let frame: FeedFrame
    try {
      frame = feedFrame.parse(unpackMessage(data as Buffer))
    } catch (cause) {
      this.#end(false, new Error('the service sent a frame that this client does not understand', { cause }))
      return
    }
    this.#listener.onFrame(frame)
  }

  #watch(): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#end(true, null), FEED_SILENCE_MS)
  }

  #end(silent: boolean, error: Error | null): void {
    if (this.#ended) return
    this.close()
    this.#listener.onEnd({ silent, error })
  }
}

function unreachable(cause: Error): AgentfsError {
  return new AgentfsError('unavailable', { detail: 'the feed broke off', unreachable: true }, { cause })
}

function problemOf(status: number, body: Buffer): Error {
  try {
    const problem = JSON.parse(body.toString('utf8')) as { code?: string; detail?: string }
    if (problem.code !== undefined && problem.code in HTTP_STATUS) {
      return new AgentfsError(problem.code as ErrorCode, { detail: problem.detail ?? problem.code, status })
    }
  } catch {
    // A proxy's page: the status below has to do.
  }
  return new AgentfsError('unavailable', { detail: `the feed was answered with ${status}`, status })
}
