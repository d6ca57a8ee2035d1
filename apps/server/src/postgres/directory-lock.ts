import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'

/** Held by the one service process that may start, stop and adopt the Postgres of a directory. */
export interface DirectoryLock {
  /** May be called twice. */
  release(): void
}

/**
 * Takes the directory for this process. The lock is SQLite's, which is the kernel's: it goes away with the
 * process, however that ends, so there is no stale lock and no guessing by process id. Whoever holds it knows
 * that a postmaster still running here is an orphan.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const ownerFile = join(directory, 'lock.pid')
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 })
  try {
    // MEMORY: a journal file would be written, and would have to be cleaned up after a kill.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new EmbeddedPostgresError(
      'in_use',
      `${directory} is in use by another agentfs-server${readOwner(ownerFile)}. ` +
        'Stop that one first, or give this one another AGENTFS_HOME and PORT.',
      { cause },
    )
  }
  writeFileSync(ownerFile, `${process.pid}\n`, { mode: 0o644 })
  return {
    release: () => {
      if (database.isOpen) database.close()
    },
  }
}

function readOwner(ownerFile: string): string {
  try {
    return ` (process ${readFileSync(ownerFile, 'utf8').trim()})`
  } catch {
    return ''
  }
}
