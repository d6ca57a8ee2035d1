import { Readable } from 'node:stream'
import type { ServerResponse } from 'node:http'
import { freeBytes } from '@agentfs/contracts'

/**
 * A large body as a stream whose windows are freed as soon as the connection has taken them: the collector would let some
 * sixty megabytes pile up. The windows must be nobody else's.
 */
export function freedOnceSent(windows: AsyncIterable<Uint8Array>, response: ServerResponse): Readable {
  const stream: Readable = Readable.from(
    freeing(windows, () => stream.readableLength + response.writableLength),
    {
      objectMode: false,
    },
  )
  return stream
}

/** `waiting` says how many of the bytes given last are not sent yet. */
async function* freeing(
  windows: AsyncIterable<Uint8Array>,
  waiting: () => number,
): AsyncGenerator<Uint8Array> {
  const given: Uint8Array[] = []
  let behind = 0
  for await (const window of windows) {
    yield window
    given.push(window)
    behind += window.length
    for (let [first] = given; first !== undefined && behind - first.length >= waiting(); [first] = given) {
      behind -= first.length
      given.shift()
      freeBytes(first)
    }
  }
}
