import { closeSync, readSync, writeSync } from 'node:fs'
import { lastErrno, socketpair } from '../src/libc.js'
import type { FuseHandlers } from '../src/handlers.js'
import { OPCODE } from '../src/opcodes.js'
import { FuseSession, type FuseSessionEnd, type FuseSessionOptions } from '../src/session.js'

const AF_UNIX = 1
const SOCK_SEQPACKET = 5

/** One request as bytes: a header and a body. */
export function request(opcode: number, body: Buffer = Buffer.alloc(0), unique = 2n, nodeid = 1n): Buffer {
  const bytes = Buffer.alloc(40 + body.length)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(opcode, 4)
  bytes.writeBigUInt64LE(unique, 8)
  bytes.writeBigUInt64LE(nodeid, 16)
  bytes.writeUInt32LE(1000, 24)
  bytes.writeUInt32LE(1001, 28)
  bytes.writeUInt32LE(4242, 32)
  body.copy(bytes, 40)
  return bytes
}

/** Little-endian fields: a number is 32 bits, a bigint 64, a string its UTF-8 with a NUL, bytes themselves. */
export function fields(...values: (number | bigint | string | Buffer)[]): Buffer {
  return Buffer.concat(
    values.map((value) => {
      if (typeof value === 'string') return Buffer.from(`${value}\0`)
      if (typeof value === 'object') return value
      const bytes = Buffer.alloc(typeof value === 'bigint' ? 8 : 4)
      if (typeof value === 'bigint') bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
      else bytes.writeUInt32LE(value)
      return bytes
    }),
  )
}

/** INIT as a 7.45 kernel sends it, every flag offered. */
export const INIT = request(
  OPCODE.INIT,
  fields(7, 45, 0x20000, 0xffff_ffff, 0xffff_ffff, Buffer.alloc(44)),
  1n,
  0n,
)

const DESTROY = request(OPCODE.DESTROY, Buffer.alloc(0), 0xffffn)

/** An answer: the error number, whose request it is, and the body. */
export interface Answer {
  error: number
  unique: bigint
  body: Buffer
}

/**
 * Runs a session against a socket that keeps message boundaries, as `/dev/fuse` does, so that any bytes can
 * be sent: the requests in order, then DESTROY, which stops it.
 */
export function converse(
  handlers: FuseHandlers,
  requests: Buffer[],
  options: Partial<FuseSessionOptions> = {},
  onSession: (session: FuseSession) => void = () => {},
): { answers: Answer[]; end: FuseSessionEnd } {
  const pair = new Int32Array(2)
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0) throw new Error(`socketpair: ${lastErrno()}`)
  const [ours, theirs] = [pair[0] as number, pair[1] as number]
  try {
    const session: FuseSession = new FuseSession({
      spinUs: 0,
      ...options,
      fd: theirs,
      handlers: Object.assign(Object.create(handlers), { destroy: () => session.stop() }) as FuseHandlers,
    })
    onSession(session)
    for (const bytes of [...requests, DESTROY]) writeSync(ours, bytes)
    const end = session.run()
    return { answers: receive(ours), end }
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

/** Everything up to the answer to DESTROY, which is the last one sent. */
function receive(fd: number): Answer[] {
  const answers: Answer[] = []
  const buffer = Buffer.alloc(1 << 17)
  for (;;) {
    const size = readSync(fd, buffer)
    const answer = {
      error: Math.abs(buffer.readInt32LE(4)),
      unique: buffer.readBigUInt64LE(8),
      body: Buffer.from(buffer.subarray(16, size)),
    }
    if (buffer.readUInt32LE(0) !== size) throw new Error(`an answer of ${size} bytes with a wrong length`)
    if (answer.unique === 0xffffn) return answers
    answers.push(answer)
  }
}
