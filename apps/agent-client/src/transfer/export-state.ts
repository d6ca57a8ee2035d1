import { createReadStream, createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { textLinesOf } from './lines.js'
import { type Manifest, manifestLines, readManifest } from './manifest.js'

/** Writes a manifest, or the plan of one, to a file that is there as a whole or not at all. */
export async function saveManifest(manifest: Manifest, path: string): Promise<void> {
  const temporary = `${path}.new`
  await pipeline(Readable.from(manifestLines(manifest)), createWriteStream(temporary, { flush: true }))
  await rename(temporary, path)
}

/** Reads a manifest or a plan from a file. */
export function loadManifest(path: string): Promise<Manifest> {
  return readManifest(textLinesOf(createReadStream(path)), path)
}
