import { AgentfsError, freeBytes } from '@agentfs/contracts'
import type { FastifyRequest } from 'fastify'

/** The most bytes of a JSON body. */
export const JSON_BYTES_MAX = 1_048_576

/**
 * Reads a whole body of at most `bytesMax`. What is announced as longer is refused before a byte is read, what turns
 * out longer as soon as it does; the rest is thrown away unbuffered, so that the caller gets to read the answer.
 */
export async function readBody(request: FastifyRequest, bytesMax: number): Promise<Buffer> {
  const known = whole.get(request)
  if (known !== undefined) return known
  refuseEncoding(request)
  const announced = announcedBytes(request)
  if (announced !== null && announced > bytesMax) throw tooLarge(bytesMax)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of bodyStream(request)) {
      size += chunk.length
      if (size > bytesMax) throw tooLarge(bytesMax)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof AgentfsError) throw error
    throw new AgentfsError('invalid_request', { detail: 'the body ended early' }, { cause: error })
  }
  const [only] = chunks
  const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size)
  if (chunks.length > 1) chunks.forEach(freeBytes)
  whole.set(request, body)
  return body
}

/** Bodies read already: an idempotency key looks at the bytes before the handler does. */
const whole = new WeakMap<FastifyRequest, Buffer>()

/**
 * The body as it comes in, one chunk of the socket at a time. Not the stream's own iterator: that one copies the chunks that
 * wait into one, and destroys the socket when the loop is left early, so that the caller would get a reset instead of an
 * answer. Nor `events.on`, whose queues of 40 KB for each body outlive it by far.
 */
export async function* bodyStream({ raw }: FastifyRequest): AsyncGenerator<Buffer, void, undefined> {
  const waiting: Buffer[] = []
  let failure: Error | undefined
  let wake = (): void => undefined
  const onData = (chunk: Buffer): void => {
    raw.pause()
    waiting.push(chunk)
    wake()
  }
  const onError = (error: Error): void => {
    failure = error
    wake()
  }
  const onOver = (): void => wake()
  raw.on('data', onData).on('error', onError).on('end', onOver).on('close', onOver)
  try {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk !== undefined) {
        yield chunk
        continue
      }
      if (failure !== undefined) throw failure
      if (raw.readableEnded) return
      if (raw.destroyed) throw new Error('the connection ended before the body')
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      raw.resume()
      await woken
    }
  } finally {
    raw.off('data', onData).off('error', onError).off('end', onOver).off('close', onOver)
  }
}

/** The length the caller announced, null where it sends chunks. */
export function announcedBytes(request: FastifyRequest): number | null {
  const text = request.headers['content-length']
  return text === undefined ? null : Number(text)
}

/** Compressed bodies are refused: what they unpack to has no limit that a length could tell. */
export function refuseEncoding(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return
  throw new AgentfsError('invalid_request', {
    detail: `send the body as it is, without Content-Encoding: ${encoding}`,
  })
}

function tooLarge(bytesMax: number): AgentfsError {
  return new AgentfsError('too_large', {
    detail: `the body has more than ${bytesMax} bytes, the most this route takes`,
    bytesMax,
  })
}
