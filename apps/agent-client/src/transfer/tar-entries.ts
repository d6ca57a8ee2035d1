import { createReadStream } from 'node:fs'
import { extract, type Header } from 'tar-stream'
import { z } from 'zod'
import { damaged } from './manifest.js'

// What the library tells and its types do not.
const contentOffset = z.looseObject({ byteOffset: z.int() })
const paxTimes = z.looseObject({ mtime: z.string() })

/** An entry of a tar file. */
export interface TarEntry {
  readonly name: string
  readonly type: Header['type']
  /** Where its bytes begin in the file, and how many there are. */
  readonly offset: number
  readonly size: number
  readonly mode: number
  readonly mtime: Date
  readonly linkname: string
}

/** Bytes of a block of a tar file; everything is padded to it. */
const TAR_BLOCK = 512

/** Lists a tar file without reading contents into memory. `cut` says that it ends within an entry or without its end mark. */
export async function listTar(
  path: string,
): Promise<{ entries: TarEntry[]; cut: boolean; damage: string | undefined }> {
  const entries: TarEntry[] = []
  const tar = extract()
  const file = createReadStream(path)
  file.on('error', (error) => tar.destroy(error))
  file.pipe(tar)
  try {
    for await (const stream of tar) {
      const { name, type, size, mode, mtime, linkname, pax } = stream.header
      const offset = contentOffset.parse(stream.header).byteOffset
      let seen = 0
      for await (const chunk of stream) seen += (chunk as Uint8Array).length
      if (seen < size) return { entries, cut: true, damage: undefined }
      const precise = Number(paxTimes.safeParse(pax).data?.mtime ?? Number.NaN)
      entries.push({
        name,
        type,
        offset,
        size,
        mode,
        mtime: Number.isFinite(precise) ? new Date(precise * 1_000) : mtime,
        linkname,
      })
    }
    return { entries, cut: false, damage: undefined }
  } catch (error) {
    const text = (error as Error).message
    return { entries, cut: /Unexpected end/.test(text), damage: text }
  } finally {
    file.destroy()
  }
}

/** The first byte behind an entry. */
export function endOfEntry({ offset, size }: TarEntry): number {
  return Math.ceil((offset + size) / TAR_BLOCK) * TAR_BLOCK
}

/** The bytes of an entry. */
export async function* readEntry(path: string, { offset, size }: TarEntry): AsyncGenerator<Uint8Array> {
  if (size === 0) return
  for await (const chunk of createReadStream(path, { start: offset, end: offset + size - 1 }))
    yield chunk as Uint8Array
}

/** The entries of an archive that is to be imported, or the reason why it cannot be. */
export async function entriesOfArchive(path: string): Promise<TarEntry[]> {
  const { entries, cut, damage } = await listTar(path)
  if (cut)
    throw damaged(
      `${path} is cut short, after ${entries.at(-1)?.name ?? 'its beginning'}; nothing was imported`,
    )
  if (damage !== undefined)
    throw damaged(`${path} is damaged after ${entries.at(-1)?.name ?? 'its beginning'}: ${damage}`)
  return entries
}
