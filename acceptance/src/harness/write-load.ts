import { setTimeout } from 'node:timers/promises'
import { rawRequest } from './raw-request.js'

const WRITERS = 3
const PAUSE_MS = 40

/** A write that was not acknowledged. */
export interface Refusal {
  readonly status: number
  readonly code: string
  readonly retryAfter: number
}

/** Writers over REST that go on until told to stop, whatever they are answered, and note what was acknowledged. */
export class WriteLoad {
  /** Contents by path, of writes that were acknowledged. */
  readonly acknowledged = new Map<string, string>()
  readonly refusals: Refusal[] = []
  /** No answer at all. */
  readonly failures: string[] = []
  readonly #send: (path: string, body: string) => ReturnType<typeof rawRequest>
  readonly #writers: Promise<void>[]
  #stopped = false

  constructor(target: { readonly url: string; readonly key: string; readonly agent: string }, label: string) {
    this.#send = (path, body) =>
      rawRequest(target.url, {
        method: 'PUT',
        path: `/v1/agents/${target.agent}/files/${path}`,
        headers: { authorization: `Bearer ${target.key}`, 'content-type': 'text/markdown' },
        body,
        limitMs: 30_000,
      })
    this.#writers = Array.from({ length: WRITERS }, (_, lane) => this.#write(`${label}-${lane}`))
  }

  /** Ends the load; returns when the last write was answered. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#writers)
  }

  async #write(name: string): Promise<void> {
    for (let at = 0; !this.#stopped; at++) {
      const path = `${name}-${at}.md`
      const body = `${path} `.repeat(100)
      try {
        const answer = await this.#send(path, body)
        if (answer.status < 300) this.acknowledged.set(path, body)
        else this.refusals.push(refusalOf(answer))
      } catch (error) {
        this.failures.push(String(error))
      }
      await setTimeout(PAUSE_MS)
    }
  }
}

function refusalOf({ status, headers, text }: Awaited<ReturnType<typeof rawRequest>>): Refusal {
  const { code } = JSON.parse(text) as { code: string }
  return { status, code, retryAfter: Number(headers['retry-after'] ?? Number.NaN) }
}
