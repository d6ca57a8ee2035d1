import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { replaceFile, sha256 } from './catalogue.mjs'
import { listFiles } from './list-files.mjs'
import { placePackages } from './place-packages.mjs'
import { tar } from './tar.mjs'

const FILE = 'agentfs-client.tgz'

/**
 * Packs the built client with what it needs to run, as a tree of packages like npm's: worker threads and native
 * libraries are found where they are looked for in the checkout too. Gives its entry of the catalogue; the one before
 * where nothing changed. `more` holds packages for other platforms.
 */
export function packClient({ source, more, licence, folder, before }) {
  const packages = placePackages(source, more)
  const files = [{ source: licence, path: 'LICENSE', mode: 0o644 }, ...packages.flatMap(listFiles)]
  const madeFrom = stamp(files)
  if (before?.madeFrom === madeFrom && existsSync(join(folder, FILE))) return before
  const entries = files.map((file) => ({
    path: `agentfs-client/${file.path}`,
    mode: file.mode,
    bytes: readFileSync(file.source),
  }))
  const archive = gzipSync(tar(entries), { level: 9 })
  replaceFile(folder, FILE, archive)
  const { version } = packages[0].manifest
  return { file: FILE, version, bytes: archive.length, sha256: sha256(archive), madeFrom }
}

/** Changes when a file does, without reading them all: a start of the service asks every time. */
function stamp(files) {
  const facts = files.map(({ source, path, mode }) => {
    const { size, mtimeMs } = statSync(source)
    return [path, mode, size, mtimeMs]
  })
  return sha256(JSON.stringify(facts))
}
