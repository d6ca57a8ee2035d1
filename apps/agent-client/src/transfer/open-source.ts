import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AgentfsError } from '@agentfs/contracts'
import { UsageError } from '../exit-codes.js'
import { collect } from './collect.js'
import { manifestBeside } from './export-to-jsonl.js'
import type { ImportSource } from './import-source.js'
import { folderSource } from './source-folder.js'
import { jsonlSource } from './source-jsonl.js'
import { tarSource } from './source-tar.js'

/** Opens a folder, a tar or JSONL file, or `-` for either on standard input, told apart by what they hold. */
export async function openSource(path: string, which: 'all' | 'head'): Promise<ImportSource> {
  if (path === '-') return spooled(which)
  if (!existsSync(path)) {
    const detail = `there is no file or folder ${path} on this machine; what is in an agent's home is named agent:NAME/PATH`
    throw new AgentfsError('not_found', { detail })
  }
  if ((await stat(path)).isDirectory()) return folderSource(path, which)
  return fileSource(path, path, which)
}

/** Standard input is kept in a file first: an archive is looked through before anything of it is taken. */
async function spooled(which: 'all' | 'head'): Promise<ImportSource> {
  const folder = await mkdtemp(join(tmpdir(), 'agentfs-import-'))
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const path = join(folder, 'source')
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }))
    return { ...(await fileSource(path, 'standard input', which)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function fileSource(path: string, name: string, which: 'all' | 'head'): Promise<ImportSource> {
  const start = await collect(createReadStream(path, { end: 511 }))
  if (start.subarray(257, 262).toString('latin1') === 'ustar')
    return { ...(await tarSource(path, which)), name }
  if (start[0] === 0x1f && start[1] === 0x8b) throw new UsageError(`${name} is compressed; gunzip it first`)
  // An export of a home without documents is an empty file with a manifest beside it.
  const isJsonl =
    /^\s*\{/.test(start.toString('latin1')) || (start.length === 0 && existsSync(manifestBeside(path)))
  if (isJsonl) return { ...(await jsonlSource(path, which)), name }
  throw new AgentfsError('invalid_request', { detail: `${name} is neither a folder nor a tar or JSONL file` })
}
