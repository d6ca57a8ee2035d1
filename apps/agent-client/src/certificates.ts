import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
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
  setDefaultCACertificates([...getCACertificates('default'), pem])
}
