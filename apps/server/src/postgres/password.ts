import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemErrorCode } from './system-error-code.js'

/** Reads the superuser's password; undefined where there is none yet. */
export async function readPassword(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return ''
    throw error
  })
  return text.trim() === '' ? undefined : text.trim()
}

/** Makes a password and keeps it, durably and readable for us only, before anything depends on it. */
export async function createPassword(file: string): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const partial = `${file}.partial`
  const handle = await open(partial, 'w', 0o600)
  try {
    // An older leftover keeps its mode under 'w'.
    await handle.chmod(0o600)
    await handle.writeFile(`${password}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(partial, file)
  await syncDirectory(dirname(file))
  return password
}

/** Makes a rename in this directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
