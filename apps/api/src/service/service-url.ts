import type { FastifyRequest } from 'fastify'

/** How the caller reached the service, unless the operator says how it is reached from outside. */
export function serviceUrlOf(request: FastifyRequest, publicUrl: string | null): string {
  if (publicUrl !== null) return publicUrl.replace(/\/+$/, '')
  // The host comes from the caller; only what can stand in a URL is given back.
  const host = /^[A-Za-z0-9._:[\]-]{1,255}$/.test(request.host) ? request.host : 'localhost'
  return `${request.protocol}://${host}`
}
