import type { FuseAttr, FuseEntry, FuseStatfs, FuseTime } from './attributes.js'
import { DirentPacker } from './dirent-packer.js'
import * as encode from './encode.js'
import { ERRNO, type ErrnoName } from './errno.js'
import { OPCODE } from './opcodes.js'
import type * as replies from './replies.js'
import { OUT_HEADER_BYTES } from './reply-buffer.js'
import type { OutstandingReply, ReplyChannel } from './reply-channel.js'
import type { RequestReader } from './request-reader.js'

type EveryReply = replies.EmptyReply &
  replies.LookupReply &
  replies.AttrReply &
  replies.StatxReply &
  replies.OpenReply &
  replies.CreateReply &
  replies.DataReply &
  replies.ReadlinkReply &
  replies.WriteReply &
  replies.StatfsReply &
  replies.XattrReply &
  replies.LseekReply &
  replies.CopyReply &
  replies.DirectoryReply &
  replies.DirectoryPlusReply

/** The answer to one request, of whatever kind; handlers see the methods that fit theirs. */
export class Reply implements EveryReply, OutstandingReply {
  readonly unique: number
  readonly opcode: number
  readonly #nodeid: number
  /** The second node of RENAME, RENAME2 and LINK; otherwise the first again. */
  readonly #otherNodeid: number
  readonly #channel: ReplyChannel
  readonly #uniqueLow: number
  readonly #uniqueHigh: number
  /** Bytes the caller has room for: READ, READDIR, READDIRPLUS, GETXATTR, LISTXATTR; otherwise 0. */
  readonly #room: number
  #answered = false
  #packer: DirentPacker | undefined
  #interrupted: (() => void) | undefined
  #afterwards: (() => void)[] | undefined

  constructor(channel: ReplyChannel, reader: RequestReader) {
    this.#channel = channel
    this.opcode = reader.opcode
    this.unique = reader.unique
    this.#uniqueLow = reader.uniqueLow
    this.#uniqueHigh = reader.uniqueHigh
    this.#room = roomOf(reader)
    this.#nodeid = reader.nodeid
    this.#otherNodeid = namesTwoNodes(reader) ? reader.u64(0) : reader.nodeid
  }

  concerns(nodeid: number): boolean {
    return this.#nodeid === nodeid || this.#otherNodeid === nodeid
  }

  afterwards(callback: () => void): void {
    this.#afterwards ??= []
    this.#afterwards.push(callback)
  }

  takeAfterwards(): (() => void)[] {
    const callbacks = this.#afterwards ?? []
    this.#afterwards = undefined
    return callbacks
  }

  get answered(): boolean {
    return this.#answered
  }

  onInterrupt(callback: () => void): void {
    this.#interrupted = callback
  }

  interrupt(): void {
    if (this.#interrupted === undefined) this.error('EINTR')
    else this.#interrupted()
  }

  /** Sends a body that was put into the buffer already. */
  encoded(bodyBytes: number): boolean {
    return this.#send(bodyBytes)
  }

  error(name: ErrnoName): boolean {
    return this.#send(0, -ERRNO[name])
  }

  ok(): boolean {
    return this.#send(0)
  }

  entry(entry: FuseEntry): boolean {
    if (this.#answered) return false
    encode.putEntry(this.#channel.out, 0, entry)
    return this.#send(encode.ENTRY_OUT_BYTES)
  }

  negativeEntry(entryValidMs: number): boolean {
    if (this.#answered) return false
    encode.putNegativeEntry(this.#channel.out, entryValidMs)
    return this.#send(encode.ENTRY_OUT_BYTES)
  }

  attr(attr: FuseAttr, attrValidMs: number): boolean {
    if (this.#answered) return false
    encode.putAttrOut(this.#channel.out, attr, attrValidMs)
    return this.#send(encode.ATTR_OUT_BYTES)
  }

  statx(attr: FuseAttr, attrValidMs: number, btime: FuseTime | undefined): boolean {
    if (this.#answered) return false
    encode.putStatx(this.#channel.out, attr, attrValidMs, btime)
    return this.#send(encode.STATX_OUT_BYTES)
  }

  opened(fh: number, openFlags: number): boolean {
    if (this.#answered) return false
    encode.putOpen(this.#channel.out, 0, fh, openFlags)
    return this.#send(encode.OPEN_OUT_BYTES)
  }

  created(entry: FuseEntry, fh: number, openFlags: number): boolean {
    if (this.#answered) return false
    encode.putEntry(this.#channel.out, 0, entry)
    encode.putOpen(this.#channel.out, encode.ENTRY_OUT_BYTES, fh, openFlags)
    return this.#send(encode.ENTRY_OUT_BYTES + encode.OPEN_OUT_BYTES)
  }

  data(bytes: Uint8Array): boolean {
    if (bytes.length > this.#room) throw new RangeError(`${bytes.length} bytes for a read of ${this.#room}`)
    return this.#sendBytes(bytes)
  }

  fill(write: (room: Buffer) => number): boolean {
    if (this.#answered) return false
    const { out } = this.#channel
    out.owner = this
    const filled = write(out.bytes.subarray(OUT_HEADER_BYTES, OUT_HEADER_BYTES + this.#room))
    if (out.owner !== this) throw new Error('another reply was sent while the room was being filled')
    if (filled < 0 || filled > this.#room) throw new RangeError(`${filled} bytes for a read of ${this.#room}`)
    return this.#send(filled)
  }

  target(bytes: Uint8Array): boolean {
    return this.#sendBytes(bytes)
  }

  written(size: number): boolean {
    return this.#sendCount(size)
  }

  statfs(statfs: FuseStatfs): boolean {
    if (this.#answered) return false
    encode.putStatfs(this.#channel.out, statfs)
    return this.#send(encode.STATFS_OUT_BYTES)
  }

  xattr(value: Uint8Array): boolean {
    if (this.#room === 0) return this.#sendCount(value.length)
    if (value.length > this.#room) return this.error('ERANGE')
    return this.#sendBytes(value)
  }

  offset(offset: number): boolean {
    if (this.#answered) return false
    this.#channel.out.u64(0, offset)
    return this.#send(8)
  }

  /** COPY_FILE_RANGE answers `size u32, padding u32`; COPY_FILE_RANGE_64 `bytes_copied u64`: the same bytes below 4 GiB. */
  copied(size: number): boolean {
    return this.opcode === OPCODE.COPY_FILE_RANGE_64 ? this.offset(size) : this.#sendCount(size)
  }

  add(name: Uint8Array | string, ino: number, type: number, nextOffset: number): boolean {
    if (this.#answered) return false
    return this.opcode === OPCODE.READDIRPLUS
      ? this.#packing().addPlus(name, undefined, ino, type, nextOffset)
      : this.#packing().add(name, ino, type, nextOffset)
  }

  addEntry(name: Uint8Array | string, entry: FuseEntry, nextOffset: number): boolean {
    if (this.#answered) return false
    const type = (entry.attr.mode >>> 12) & 0xf
    return this.#packing().addPlus(name, entry, entry.attr.ino, type, nextOffset)
  }

  send(): boolean {
    return this.#send(this.#answered ? 0 : (this.#packer?.finish() ?? 0))
  }

  #packing(): DirentPacker {
    this.#packer ??= new DirentPacker(this.#channel.out, this.#room)
    return this.#packer
  }

  #sendCount(size: number): boolean {
    if (this.#answered) return false
    this.#channel.out.u32(0, size)
    this.#channel.out.u32(4, 0)
    return this.#send(8)
  }

  #sendBytes(bytes: Uint8Array): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#channel.out.owner = undefined
    this.#channel.sendBytes(this, bytes, this.#uniqueLow, this.#uniqueHigh)
    return true
  }

  #send(bodyBytes: number, error = 0): boolean {
    if (this.#answered) return false
    this.#answered = true
    this.#channel.out.owner = undefined
    this.#channel.send(this, bodyBytes, error, this.#uniqueLow, this.#uniqueHigh)
    return true
  }
}

function roomOf(reader: RequestReader): number {
  switch (reader.opcode) {
    case OPCODE.READ:
    case OPCODE.READDIR:
    case OPCODE.READDIRPLUS:
      return reader.bodyBytes >= 20 ? reader.u32(16) : 0
    case OPCODE.GETXATTR:
    case OPCODE.LISTXATTR:
      return reader.bodyBytes >= 4 ? reader.u32(0) : 0
    default:
      return 0
  }
}

function namesTwoNodes({ opcode, bodyBytes }: RequestReader): boolean {
  if (bodyBytes < 8) return false
  return opcode === OPCODE.RENAME || opcode === OPCODE.RENAME2 || opcode === OPCODE.LINK
}
