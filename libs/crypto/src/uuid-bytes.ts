const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Bytes of a UUID in a binary format. */
export const UUID_BYTES = 16

/** The 16 bytes of a UUID in its lower-case text form, most significant first (RFC 9562). */
export function uuidToBytes(uuid: string): Buffer {
  // Strict, so that one id has one text form: an id in another case would seal under another context.
  if (!UUID.test(uuid)) throw new RangeError(`not a lower-case UUID: ${JSON.stringify(uuid)}`)
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** The lower-case text form of 16 bytes. */
export function uuidFromBytes(bytes: Uint8Array): string {
  if (bytes.length !== UUID_BYTES) throw new RangeError(`a UUID has ${UUID_BYTES} bytes, not ${bytes.length}`)
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
