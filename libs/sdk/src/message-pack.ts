import { Packr } from 'msgpackr'

/** The content type of sync bodies. */
export const MESSAGE_PACK = 'application/vnd.msgpack'

// Plain maps, no record extension: any MessagePack implementation reads them.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

/** A value as MessagePack; bytes travel as bin. */
export function packMessage(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value))
}

/** The value of MessagePack bytes. The caller checks its shape. */
export function unpackMessage(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
