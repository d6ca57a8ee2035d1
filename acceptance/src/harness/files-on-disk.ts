import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** All regular files below a directory; what disappears meanwhile is left out. */
export async function filesBelow(directory: string): Promise<string[]> {
  const found: string[] = []
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) found.push(...(await filesBelow(path)))
    else if (entry.isFile()) found.push(path)
  }
  return found
}

/** The files below a directory whose bytes hold the text. */
export async function filesThatHold(directory: string, text: string): Promise<string[]> {
  const needle = Buffer.from(text)
  const found: string[] = []
  for (const path of await filesBelow(directory)) {
    const bytes = await readFile(path).catch(() => Buffer.alloc(0))
    if (bytes.includes(needle)) found.push(path)
  }
  return found
}
