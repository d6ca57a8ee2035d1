import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a new file of mode 0600 and returns when its bytes survive power loss; the name does not yet, see `syncDirectory`. */
export async function writeDurableFile(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(body)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes the names in a directory survive power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** mkdir -p with mode 0700, each new name synced: a file must not survive in a directory that does not. */
export async function makeDurableDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let current = path; ; current = dirname(current)) {
    await syncDirectory(dirname(current))
    if (current === first) return
  }
}
