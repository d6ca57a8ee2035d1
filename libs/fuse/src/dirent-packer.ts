import type { FuseEntry } from './attributes.js'
import { ENTRY_OUT_BYTES, putEntry } from './encode.js'
import type { ReplyBuffer } from './reply-buffer.js'

/** A dirent's fixed part: `ino u64, off u64, namelen u32, type u32`; the name follows, padded to 8 bytes. */
const DIRENT_BYTES = 24

/** Packs directory entries into the reply buffer, up to the room the caller has. */
export class DirentPacker {
  readonly #out: ReplyBuffer
  readonly #room: number
  #packed = 0

  constructor(out: ReplyBuffer, room: number) {
    this.#out = out
    this.#room = room
    out.owner = this
  }

  /** Bytes packed, which are only there as long as no other answer was built over them. */
  finish(): number {
    this.#checkOwner()
    return this.#packed
  }

  /** `struct fuse_dirent`; false where it does not fit. */
  add(name: Uint8Array | string, ino: number, type: number, nextOffset: number): boolean {
    return this.#put(this.#packed, name, ino, type, nextOffset)
  }

  /** `struct fuse_direntplus`: an entry, of nodeid 0 where there are no attributes, then a dirent. */
  addPlus(
    name: Uint8Array | string,
    entry: FuseEntry | undefined,
    ino: number,
    type: number,
    nextOffset: number,
  ): boolean {
    const at = this.#packed
    if (!this.#put(at + ENTRY_OUT_BYTES, name, ino, type, nextOffset)) return false
    if (entry === undefined) this.#out.zero(at, at + ENTRY_OUT_BYTES)
    else putEntry(this.#out, at, entry)
    return true
  }

  #put(at: number, name: Uint8Array | string, ino: number, type: number, nextOffset: number): boolean {
    this.#checkOwner()
    const nameBytes = typeof name === 'string' ? Buffer.byteLength(name) : name.length
    const nameEnd = at + DIRENT_BYTES + nameBytes
    const end = (nameEnd + 7) & ~7
    if (end > this.#room) return false
    this.#out.u64(at, ino)
    this.#out.u64(at + 8, nextOffset)
    this.#out.u32(at + 16, nameBytes)
    this.#out.u32(at + 20, type)
    this.#out.put(at + DIRENT_BYTES, name)
    this.#out.zero(nameEnd, end)
    this.#packed = end
    return true
  }

  #checkOwner(): void {
    if (this.#out.owner !== this) throw new Error('another reply was sent while entries were being packed')
  }
}
