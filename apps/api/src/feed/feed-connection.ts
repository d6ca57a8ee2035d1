import { AgentfsError, type CommitFrame, feedClientFrame, PROTOCOL_VERSION } from '@agentfs/contracts'
import type { AgentAddress, Caller, StreamHead, SyncApi } from '@agentfs/engine'
import type { Logger } from 'pino'
import { decodeWire } from '../http/wire.js'
import { CLOSE_CODES, type FeedSocket } from './feed-socket.js'

/** The most content inline in one frame; the engine leaves out what is above 64 KiB by itself. */
const FRAME_CONTENT_BYTES_MAX = 262_144

/** A credential that a feed runs on. */
export interface FeedCredential {
  readonly caller: Caller
  /** When it ends by itself, null where it does not. */
  readonly expiresAtMs: number | null
}

/** What a feed needs of the rest. */
export interface FeedParts {
  readonly socket: FeedSocket
  readonly sync: SyncApi
  readonly address: AgentAddress
  readonly credential: FeedCredential
  /** The credential behind a fresh token; refuses one of somebody else. */
  readonly renew: (current: FeedCredential, accessToken: string) => Promise<FeedCredential>
  readonly log: Logger
}

/**
 * One client's feed: every commit after its address, in order, each once. It goes by its own cursor alone; an
 * announcement and a heartbeat only tell it that there is more, so that losing either costs time and nothing else.
 */
export class FeedConnection {
  readonly address: AgentAddress
  readonly #parts: FeedParts
  readonly #epoch: number
  #credential: FeedCredential
  #cursor: number
  #pumping = false
  #more = false

  constructor(parts: FeedParts, from: { readonly since: number; readonly epoch: number }) {
    this.#parts = parts
    this.address = parts.address
    this.#credential = parts.credential
    this.#cursor = from.since
    this.#epoch = from.epoch
  }

  /** Where it stands: what came up to here is delivered. */
  get position(): { readonly since: number; readonly epoch: number } {
    return { since: this.#cursor, epoch: this.#epoch }
  }

  /** The credential it runs on now. */
  get credential(): FeedCredential {
    return this.#credential
  }

  /** Says hello and delivers what the client has missed. */
  start(head: StreamHead): void {
    const { epoch, head: seq, stored } = head
    this.#run(
      this.#parts.socket.send({ type: 'hello', protocol: PROTOCOL_VERSION, epoch, head: seq, stored }),
    )
    if (seq > this.#cursor) this.#wake()
  }

  /** An announcement: the stream grew to this address. */
  announced(epoch: number, seq: number): void {
    if (epoch === this.#epoch && seq > this.#cursor) this.#wake()
  }

  /** The head as just read from the primary; repairs announcements that were lost [SY-3]. */
  heartbeat({ epoch, head, stored, grantsVersion }: StreamHead): void {
    const { socket } = this.#parts
    if (!socket.open) return
    if (socket.stalled) {
      socket.close(CLOSE_CODES.again, 'the client reads too slowly')
      return
    }
    this.#run(socket.send({ type: 'heartbeat', epoch, head, stored, grantsVersion }))
    if (epoch !== this.#epoch) socket.close(CLOSE_CODES.epoch, 'epoch_changed')
    else if (head > this.#cursor) this.#wake()
  }

  /** The credential, or the agent, is gone: says so and ends. */
  revoke(code: string): void {
    const { socket } = this.#parts
    if (!socket.open) return
    this.#run(socket.send({ type: 'revoked', code }))
    socket.close(CLOSE_CODES.refused, code)
  }

  /** A frame of the client: a fresh token. */
  received(data: Uint8Array): void {
    this.#run(this.#renew(data))
  }

  async #renew(data: Uint8Array): Promise<void> {
    const frame = feedClientFrame.safeParse(safelyDecoded(data))
    if (!frame.success) {
      this.#parts.socket.close(CLOSE_CODES.malformed, 'not a FeedClientFrame')
      return
    }
    try {
      this.#credential = await this.#parts.renew(this.#credential, frame.data.accessToken)
    } catch (error) {
      if (isRefusal(error)) this.revoke(error.code)
      else throw error
    }
  }

  #wake(): void {
    this.#more = true
    if (this.#pumping) return
    this.#pumping = true
    this.#run(this.#pump().finally(() => (this.#pumping = false)))
  }

  async #pump(): Promise<void> {
    const { sync, address, socket } = this.#parts
    while (this.#more && socket.open) {
      this.#more = false
      const { caller } = this.#credential
      const commits = await sync.commitsAfter(caller, address.agentId, this.#epoch, this.#cursor)
      for (const commit of commits) await this.#deliver(caller, commit)
      // A page that was full may have successors that nobody announced to us.
      if (commits.length > 0) this.#more = true
    }
  }

  async #deliver(caller: Caller, commit: CommitFrame): Promise<void> {
    const { sync, address, socket } = this.#parts
    const contents = await sync.feedContents(caller, address.agentId, commit, FRAME_CONTENT_BYTES_MAX)
    await socket.send({ type: 'commit', through: commit.seq, commit, contents: [...contents] })
    this.#cursor = commit.seq
  }

  /** What goes wrong ends the feed, never the process; the client resumes where it was. */
  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const { socket, log } = this.#parts
      if (!socket.open) return
      if (error instanceof AgentfsError && error.code === 'epoch_changed') {
        socket.close(CLOSE_CODES.epoch, error.code)
      } else if (isRefusal(error)) {
        this.revoke(error.code)
      } else {
        log.warn({ requestId: this.#credential.caller.requestId, err: error }, 'feed')
        socket.close(CLOSE_CODES.again, 'something failed here; resume')
      }
    })
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  'unauthenticated',
  'key_revoked',
  'token_expired',
  'forbidden',
  'not_found',
])

/** True for an error that says: this credential may not follow this agent. */
export function isRefusal(error: unknown): error is AgentfsError {
  return error instanceof AgentfsError && REFUSALS.has(error.code)
}

function safelyDecoded(data: Uint8Array): unknown {
  try {
    return decodeWire('msgpack', data)
  } catch {
    return null
  }
}
