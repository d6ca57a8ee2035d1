import type { FastifyRequest } from 'fastify'

/** How the service is reached: as its operator says, else as this caller did; null where that cannot be an address. */
export function serviceUrlOf(
  request: Pick<FastifyRequest, 'protocol' | 'host'>,
  publicUrl: string | null,
): string | null {
  if (publicUrl !== null) return publicUrl.replace(/\/+$/, '')
  const { protocol, host } = request
  // Both may be headers that the caller wrote, and what is made of them is shown, or even run.
  return isScheme(protocol) && HOST.test(host) ? `${protocol}://${host}` : null
}

/** A name or an IPv4 address, or an IPv6 address in brackets; a port. */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

// The type promises these two, the header `X-Forwarded-Proto` does not.
function isScheme(protocol: string): boolean {
  return protocol === 'http' || protocol === 'https'
}
