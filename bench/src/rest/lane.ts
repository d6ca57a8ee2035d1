import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as its bytes: written once, sent many times. */
export function requestBytes(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array = new Uint8Array(0),
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'host: bench']
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body.length > 0 || method !== 'GET') lines.push(`content-length: ${body.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body])
}

/**
 * One keep-alive connection that has one request under way at a time. It looks at status and length of an answer and throws
 * the rest away: a full HTTP client would take more of the processor than what it measures.
 */
export class Lane {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #answered: ((body: Buffer) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#take(chunk))
    socket.on('error', (error) => this.#failed?.(error))
    socket.on('close', () => this.#failed?.(new Error('the service closed the connection')))
  }

  /** Connects to a service of this machine. */
  static async open(url: string): Promise<Lane> {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), noDelay: true })
    await once(socket, 'connect')
    return new Lane(socket)
  }

  /** Sends a request; gives the body of its answer, which must be a success. */
  send(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const end = all.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = all.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
    if (all.length < end + 4 + length) return
    this.#chunks = []
    const body = all.subarray(end + 4)
    if (head.startsWith('HTTP/1.1 2')) this.#answered?.(body)
    else this.#failed?.(new Error(`${head.slice(0, head.indexOf('\r'))}: ${body.toString()}`))
  }
}
