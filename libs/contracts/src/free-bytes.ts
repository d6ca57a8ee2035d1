/**
 * Gives back at once the memory of bytes that nobody reads any more, where they have it for themselves; a slice of something
 * larger is left alone. Left to the collector, which sees only the small object in front, megabytes of them pile up before it
 * runs, and each run goes over the whole heap. Nothing may still be reading or writing them: no call of the system, no view.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength || shared.has(buffer)) return
  buffer.transfer(0)
}

const shared = new WeakSet<ArrayBufferLike>()

/** Notes that several have these bytes, one of them a cache: whoever is done with them frees nothing. */
export function shareBytes<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  shared.add(bytes.buffer)
  return bytes
}
