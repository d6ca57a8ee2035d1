import { readFile } from 'node:fs/promises'

/** One line of `/proc/self/mountinfo`, as far as it matters here. */
export interface MountEntry {
  /** `major:minor` of the filesystem; for FUSE the minor number names the connection and the bdi. */
  device: string
  mountPoint: string
  /** For instance `fuse.agentfs`. */
  type: string
  source: string
  readOnly: boolean
}

/** Every mount this process sees, in mounting order: of several on one folder the last one is on top. */
export async function listMounts(): Promise<MountEntry[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'latin1'))
}

/**
 * Lines of `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw`: any number of optional fields stands
 * before the lone dash. Space, tab, newline and backslash in names are written as octal escapes.
 * `text` holds one character per byte, because names need not be UTF-8.
 */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    const dash = fields.indexOf('-', 6)
    const [, , device, , mountPoint, options] = fields
    const type = fields[dash + 1]
    const source = fields[dash + 2]
    if (dash < 0 || device === undefined || mountPoint === undefined || options === undefined) continue
    if (type === undefined || source === undefined) continue
    entries.push({
      device,
      mountPoint: unescape(mountPoint),
      type,
      source: unescape(source),
      readOnly: options.split(',').includes('ro'),
    })
  }
  return entries
}

function unescape(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
