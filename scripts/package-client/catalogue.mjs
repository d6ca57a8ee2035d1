import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What lies in the folder of downloads, and what it was made from: {client: {file, version, bytes, sha256, madeFrom},
 * nodes: [{file, platform, version, bytes, sha256, madeFrom}]}. The service reads it, and writes it into /install.sh.
 */
export function readCatalogue(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, NAME), 'utf8'))
  } catch {
    return { nodes: [] }
  }
}

/** Replaces the catalogue; last of all, so that it never names what is not there. */
export function writeCatalogue(folder, catalogue) {
  replaceFile(folder, NAME, `${JSON.stringify(catalogue, null, 2)}\n`)
}

/** Puts a file in place whole, while a running service may be sending the one before it. */
export function replaceFile(folder, name, content) {
  mkdirSync(folder, { recursive: true })
  const fresh = join(folder, `.${name}.${process.pid}`)
  writeFileSync(fresh, content)
  renameSync(fresh, join(folder, name))
}

/** The SHA-256 of some bytes, in hex. */
export function sha256(content) {
  return createHash('sha256').update(content).digest('hex')
}

const NAME = 'catalogue.json'
