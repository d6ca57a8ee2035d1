import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

/**
 * Compresses a Node for machines whose own is too old for the client; it takes some seconds, once for each version.
 * Gives its entry of the catalogue.
 */
export async function packNode({ platform, version, program, folder, before, say }) {
  const file = `node-${platform}.gz`
  const { size, mtimeMs } = statSync(program)
  const madeFrom = [version, size, mtimeMs].join(' ')
  if (before?.madeFrom === madeFrom && existsSync(join(folder, file))) return before
  say(`packing Node ${version} for ${platform} machines with an older one (once)`)
  mkdirSync(folder, { recursive: true })
  const fresh = join(folder, `.${file}.${process.pid}`)
  const hash = createHash('sha256')
  const observe = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  const blocks = { highWaterMark: 1 << 20 }
  const gzip = createGzip({ level: 6, chunkSize: 1 << 18 })
  await pipeline(createReadStream(program, blocks), gzip, observe, createWriteStream(fresh))
  const bytes = statSync(fresh).size
  renameSync(fresh, join(folder, file))
  return { file, platform, version, bytes, sha256: hash.digest('hex'), madeFrom }
}
