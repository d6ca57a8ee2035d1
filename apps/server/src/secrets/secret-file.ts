import { randomBytes, randomUUID } from 'node:crypto'
import { link, open, readFile, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OperatorError } from '../operator-error.js'
import { systemErrorCode } from '../postgres/system-error-code.js'

/** Bytes of a secret. */
const SECRET_BYTES = 32

/** Reads a secret of 32 bytes, base64 in a file of mode 0600; undefined where there is none. */
export async function readSecret(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0) {
    throw new OperatorError(`others can read ${path}`, { remedy: `Type: chmod 600 ${path}` })
  }
  const secret = Buffer.from(text.trim(), 'base64')
  if (secret.length !== SECRET_BYTES) {
    throw new OperatorError(`${path} is damaged`, { remedy: 'Put it back from its backup.' })
  }
  return secret
}

/** Reads a secret, or makes it: durably, and once where two processes race. */
export async function readOrMakeSecret(path: string): Promise<Buffer> {
  const found = await readSecret(path)
  if (found !== undefined) return found
  await writeSecret(path, randomBytes(SECRET_BYTES))
  const made = await readSecret(path)
  if (made === undefined) throw new Error(`${path} vanished`)
  return made
}

/** Writes a secret durably, unless there is one. */
export async function writeSecret(path: string, secret: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${Buffer.from(secret).toString('base64')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  // Unlike rename, link refuses a name that is taken: the first of two wins, and both read the same.
  await link(temporary, path).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'EEXIST') throw error
  })
  await unlink(temporary)
  await syncDirectory(dirname(path))
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
