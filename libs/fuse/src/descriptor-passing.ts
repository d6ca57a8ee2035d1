import { errnoName } from './errno.js'
import { addressOf, lastErrno, recvmsg, socketpair } from './libc.js'
import { FuseMountError } from './mount-error.js'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x40000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1

/** A connected pair of local sockets, both closed on exec. */
export function socketPair(): [number, number] {
  const pair = new Int32Array(2)
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) throw failed('socketpair')
  return [pair[0] as number, pair[1] as number]
}

/**
 * Receives a descriptor that was sent before; never waits. Layouts of 64-bit Linux:
 * `struct msghdr`: `name ptr, namelen u32, pad u32, iov ptr, iovlen u64, control ptr, controllen u64, flags i32, pad`;
 * `struct iovec`: `base ptr, len u64`; `struct cmsghdr`: `len u64, level i32, type i32`, then the descriptor.
 */
export function receiveDescriptor(socket: number): number {
  const payload = Buffer.from(new ArrayBuffer(8))
  const control = Buffer.from(new ArrayBuffer(24))
  const vector = Buffer.from(new ArrayBuffer(16))
  const message = Buffer.from(new ArrayBuffer(56))
  vector.writeBigUInt64LE(addressOf(payload), 0)
  vector.writeBigUInt64LE(1n, 8)
  message.writeBigUInt64LE(addressOf(vector), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(addressOf(control), 32)
  message.writeBigUInt64LE(BigInt(control.length), 40)
  const received = recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  if (received < 0) throw failed('recvmsg')
  const isDescriptor =
    control.readBigUInt64LE(0) >= 20n &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS
  if (!isDescriptor) throw new FuseMountError('EPROTO', 'fusermount3 sent no descriptor')
  return control.readInt32LE(16)
}

function failed(call: string): FuseMountError {
  const code = errnoName(lastErrno())
  return new FuseMountError(code, `${call}: ${code}`)
}
