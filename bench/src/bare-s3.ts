import { createHash, createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** What a signature needs. */
export interface BareS3Access {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/**
 * The least that a request to S3 costs: Node's own HTTP client with kept connections and a Signature Version 4 by hand. A
 * yardstick for the bench; it knows no faults, no retries and no stores that differ.
 */
export class BareS3 {
  readonly #access: BareS3Access
  readonly #endpoint: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  #signingKey: { readonly day: string; readonly key: Buffer } | undefined

  constructor(access: BareS3Access) {
    this.#access = access
    this.#endpoint = new URL(access.endpoint)
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#send('PUT', key, body, {})
  }

  async getRange(key: string, from: number, length: number): Promise<Uint8Array> {
    return this.#send('GET', key, new Uint8Array(0), { range: `bytes=${from}-${from + length - 1}` })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #send(
    method: 'GET' | 'PUT',
    key: string,
    body: Uint8Array,
    more: Readonly<Record<string, string>>,
  ): Promise<Uint8Array> {
    const { host, hostname, port } = this.#endpoint
    const path = `/${this.#access.bucket}/${key}`
    const headers = this.#signed(method, host, path, body)
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const sent = request(
      {
        agent: this.#agent,
        hostname,
        port,
        method,
        path,
        headers: { ...headers, ...more, 'content-length': body.length },
      },
      (answer) => {
        const good = (answer.statusCode ?? 500) < 300
        buffer(answer).then((bytes) => {
          if (good) resolve(bytes)
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${bytes.toString()}`))
        }, reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
    return promise
  }

  #signed(method: string, host: string, path: string, body: Uint8Array): Record<string, string> {
    const { accessKeyId, region } = this.#access
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const day = time.slice(0, 8)
    const hash = sha256(body)
    const names = 'host;x-amz-content-sha256;x-amz-date'
    const canonical = `${method}\n${path}\n\nhost:${host}\nx-amz-content-sha256:${hash}\nx-amz-date:${time}\n\n${names}\n${hash}`
    const scope = `${day}/${region}/s3/aws4_request`
    const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(Buffer.from(canonical))}`
    const signature = hmac(this.#keyOf(day), text).toString('hex')
    return {
      host,
      'x-amz-date': time,
      'x-amz-content-sha256': hash,
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    }
  }

  #keyOf(day: string): Buffer {
    if (this.#signingKey?.day !== day) {
      const { secretAccessKey, region } = this.#access
      const parts = [day, region, 's3', 'aws4_request']
      const key = parts.reduce<Buffer>((sum, part) => hmac(sum, part), Buffer.from(`AWS4${secretAccessKey}`))
      this.#signingKey = { day, key }
    }
    return this.#signingKey.key
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
