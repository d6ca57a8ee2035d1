import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { UsageError } from './exit-codes.js'

/** Has every connection of this process trust the authorities of a PEM file too, besides those of the system. */
export function trustAuthorities(file: string): void {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read the certificate authority ${file}: ${(error as Error).message}`)
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new UsageError(`${file} holds no certificate in PEM form`)
  }
  // Read as members, not imported by name: Node 22.13 to 22.18 lack them, and must still load this file.
  if (typeof tls.setDefaultCACertificates !== 'function') {
    throw new UsageError(`--ca-file needs Node 22.19 or later; set NODE_EXTRA_CA_CERTS=${file} instead`)
  }
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), pem])
}
