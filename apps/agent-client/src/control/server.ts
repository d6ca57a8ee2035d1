import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { controlRequest, type ControlAnswer, type ControlRequest } from './protocol.js'

/** Answers control requests on a Unix socket until closed. */
export class ControlServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #answering = new Set<Promise<void>>()

  private constructor(handle: (request: ControlRequest) => Promise<ControlAnswer>) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      const lines = createInterface({ input: socket })
      lines.on('line', (line) => {
        const answering = answerLine(line, handle).then((answer) => {
          this.#answering.delete(answering)
          if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
        })
        this.#answering.add(answering)
      })
    })
  }

  /** Listens on a path that nobody else uses. */
  static async listen(
    path: string,
    handle: (request: ControlRequest) => Promise<ControlAnswer>,
  ): Promise<ControlServer> {
    const control = new ControlServer(handle)
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject)
      control.#server.listen(path, resolve)
    })
    return control
  }

  /** Stops listening; answers under way are given first. */
  async close(): Promise<void> {
    this.#server.close()
    await Promise.all(this.#answering)
    for (const socket of this.#sockets) socket.end()
  }
}

async function answerLine(
  line: string,
  handle: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<ControlAnswer> {
  try {
    return await handle(controlRequest.parse(JSON.parse(line)))
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
}
