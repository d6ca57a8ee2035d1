import type { FastifyReply, FastifyRequest } from 'fastify'
import { encodeWire, MESSAGE_PACK, type WireFormat } from '../http/wire.js'

/** Answers a sync route in the format the caller reads: by Accept, else as its body came, else JSON. */
export function sendWire(
  request: FastifyRequest,
  reply: FastifyReply,
  value: unknown,
  bodyFormat: WireFormat = 'json',
): void {
  const format = acceptedFormat(request.headers.accept) ?? bodyFormat
  const type = format === 'msgpack' ? MESSAGE_PACK : 'application/json; charset=utf-8'
  void reply.header('content-type', type).header('vary', 'accept').send(encodeWire(format, value))
}

function acceptedFormat(accept: string | undefined): WireFormat | null {
  if (accept === undefined) return null
  if (/msgpack/i.test(accept)) return 'msgpack'
  return /application\/json/i.test(accept) ? 'json' : null
}
