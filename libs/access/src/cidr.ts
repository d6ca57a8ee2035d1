import { BlockList, isIP } from 'node:net'

/** True where an IPv4 or IPv6 address lies in a network in CIDR notation; false for anything malformed. */
export function addressWithin(cidr: string, address: string): boolean {
  const [network = '', bits = ''] = cidr.split('/')
  const family = isIP(network)
  const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
  if (family === 0 || isIP(plain) !== family || !/^\d{1,3}$/.test(bits)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, Number(bits), type)
  return list.check(plain, type)
}
