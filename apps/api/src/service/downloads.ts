import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { systemErrorCode } from './system-error-code.js'

// Every value goes into a shell script or a path: what could mean something there is refused.
const download = z.object({
  file: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/),
  version: z.string().regex(/^\d+\.\d+\.\d+[0-9A-Za-z.+-]{0,32}$/),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

const catalogue = z.object({
  client: download,
  nodes: z.array(download.extend({ platform: z.string().regex(/^[a-z0-9]+-[a-z0-9]+$/) })),
})

/** What this service hands to other machines: the packed client, and Nodes for machines whose own is too old. */
export type Downloads = z.infer<typeof catalogue>

/** One file of them. */
export type Download = z.infer<typeof download>

/** Reads what `npm run package` left in a directory; null where it left nothing. */
export async function readDownloads(directory: string): Promise<Downloads | null> {
  let text: string
  try {
    text = await readFile(join(directory, 'catalogue.json'), 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw error
  }
  return catalogue.parse(JSON.parse(text))
}
