import { chown, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What Postgres writes to `postmaster.pid`; line 8 is its state, padded with blanks. */
export interface PostmasterFile {
  readonly pid: number
  readonly ready: boolean
}

/** Reads `postmaster.pid`; undefined where there is none, or where it is still being written. */
export async function readPostmasterFile(dataDirectory: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  const pid = Number.parseInt(lines[0] ?? '', 10)
  return Number.isNaN(pid) ? undefined : { pid, ready: lines[7]?.trim() === 'ready' }
}

/**
 * Makes a `postmaster.pid` whose number now belongs to some other program acceptable to Postgres, which would
 * refuse to start. Deleting the file would also delete the shared memory key in it, Postgres' guard against
 * backends that outlived their postmaster; our own number instead reads as "left by my parent", which is stale.
 */
export async function disownPostmasterFile(dataDirectory: string): Promise<void> {
  const path = join(dataDirectory, 'postmaster.pid')
  const lines = (await readFile(path, 'utf8')).split('\n')
  const replacement = `${path}.disowned`
  await writeFile(replacement, [String(process.pid), ...lines.slice(1)].join('\n'), { mode: 0o600 })
  // As root we write for another user, who has to read and remove the file.
  const { uid, gid } = await stat(path)
  await chown(replacement, uid, gid)
  await rename(replacement, path)
}
