import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
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
      // It tells the socket's errors once more, and whoever asked and is gone must not end the mount.
      lines.on('error', () => undefined)
      lines.on('line', (line) => {
        const answering = answerLine(line, handle).then((answer) => {
          this.#answering.delete(answering)
          if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
        })
        this.#answering.add(answering)
      })
    })
  }

  /** Listens on a path that nobody else listens on; a socket that a killed process left there is taken away. */
  static async listen(
    path: string,
    handle: (request: ControlRequest) => Promise<ControlAnswer>,
  ): Promise<ControlServer> {
    const control = new ControlServer(handle)
    try {
      await control.#listen(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || (await answers(path))) throw error
      rmSync(path)
      await control.#listen(path)
    }
    return control
  }

  async #listen(path: string): Promise<void> {
    this.#server.listen(path)
    await once(this.#server, 'listening')
  }

  /** Stops listening; answers under way are given first. */
  async close(): Promise<void> {
    this.#server.close()
    await Promise.all(this.#answering)
    // Not only ended: who does not hang up would keep this process.
    for (const socket of this.#sockets) socket.destroySoon()
  }
}

/** True where a process listens on a socket. */
async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
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
