/**
 * Ends a request whose answer does not begin, or stops in the middle. Time counts only while something is waited for: neither
 * how long a large answer takes is limited, nor how slowly it is read.
 */
export class Silence {
  readonly #stop = new AbortController()
  readonly #mostMs: number

  constructor(mostMs: number) {
    this.#mostMs = mostMs
  }

  /** Aborted when it has been silent for too long. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Waits for something that the request gives. */
  async during<T>(awaited: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#stop.abort(new DOMException('the service fell silent', 'TimeoutError'))
    }, this.#mostMs)
    try {
      return await awaited
    } finally {
      clearTimeout(timer)
    }
  }

  /** The same answer, its body watched; `failed` makes the error of a silence. */
  watch(answer: Response, failed: (cause: unknown) => Error): Response {
    const { body, status, statusText, headers } = answer
    if (body === null) return answer
    const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
    const watched = new ReadableStream<Uint8Array>(
      {
        pull: async (out) => {
          try {
            const { done, value } = await this.during(reader.read())
            if (done) out.close()
            else out.enqueue(value)
          } catch (error) {
            throw this.signal.aborted ? failed(error) : error
          }
        },
        cancel: (reason) => reader.cancel(reason),
      },
      // Nothing is read before it is asked for.
      { highWaterMark: 0 },
    )
    return new Response(watched, { status, statusText, headers })
  }
}
