import { request } from 'node:http'

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** One request. */
export interface RawRequest {
  readonly method?: string
  /** As it stands, so that what `fetch` would tidy up reaches the service. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent chunk by chunk, without a length where it is a list. */
  readonly body?: string | Uint8Array | readonly Uint8Array[]
  readonly limitMs?: number
}

/** Sends a request whose path nobody normalises; rejects where no answer came within the limit (10 s). */
export function rawRequest(url: string, options: RawRequest): Promise<RawAnswer> {
  const { method = 'GET', path, headers = {}, body, limitMs = 10_000 } = options
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        clearTimeout(timer)
        outgoing.destroy()
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text })
      })
    })
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no answer to ${method} ${path} within ${limitMs} ms`)),
      limitMs,
    )
    // An answer that came before the body was taken whole counts: only an error without one is a failure.
    outgoing.on('error', (error) => setTimeout(() => reject(error), 100))
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
    else {
      for (const chunk of body) outgoing.write(chunk)
      outgoing.end()
    }
  })
}
