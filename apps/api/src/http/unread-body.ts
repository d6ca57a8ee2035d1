import type { IncomingMessage } from 'node:http'

/**
 * True where the connection is to end with this answer while its body is still under way. Node would close it at once,
 * and the reset that follows takes the answer away from the caller: so it is kept, and ended when the body is drained.
 */
export function endsUnread(request: IncomingMessage): boolean {
  return !request.complete && asksToEnd(request)
}

function asksToEnd(request: IncomingMessage): boolean {
  return request.headers.connection?.toLowerCase() === 'close' || request.httpVersion === '1.0'
}

/**
 * Throws away what is left of a body after its answer, so that the caller gets to read that answer and the connection
 * can serve again; up to a size and a time, past which the connection goes.
 */
export function drainBounded(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  let left = DRAIN_BYTES_MAX
  const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS_MAX)
  timer.unref()
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) request.socket.destroy()
  })
  request.once('close', () => clearTimeout(timer))
  request.once('end', () => {
    clearTimeout(timer)
    if (asksToEnd(request)) request.socket.destroySoon()
  })
  request.on('error', () => undefined)
  request.resume()
}

const DRAIN_BYTES_MAX = 32 * 1_048_576
const DRAIN_MS_MAX = 5_000
