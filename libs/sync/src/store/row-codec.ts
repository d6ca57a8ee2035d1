import { Packr } from 'msgpackr'

// No shared structures: each row must be readable by itself.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

/** A row's value as bytes. */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value))
}

/** The value of a row's bytes; what it is follows from the table, whose rows are authenticated. */
export function decode(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
