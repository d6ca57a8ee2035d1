import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import postgres, { type Sql } from 'postgres'
import { asDomainError } from './database-errors.js'
import { ensureRoles, type RolePasswords } from './roles.js'

// tsc copies no .sql files; from src and from dist alike this is the package's src folder, which it ships.
const MIGRATIONS = fileURLToPath(new URL('../../src/postgres/migrations/', import.meta.url))
/** Any fixed number: one migrator per database at a time. */
const LOCK = 4_907_333

/** One numbered step of the schema. */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly text: string
  /** SHA-256 of the text, hex. */
  readonly checksum: string
}

/** What a migrator is told. */
export interface MigrateOptions {
  /** As the role that owns the schema and may create roles. */
  readonly url: string
  readonly passwords: RolePasswords
  /** Other steps than the shipped ones, for tests. */
  readonly migrations?: readonly Migration[]
  readonly onApplied?: (migration: Migration) => void
}

/** Where the schema stands. */
export interface MigrateResult {
  readonly version: number
  readonly applied: readonly number[]
}

/** The database and the code do not fit together; nothing was changed. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

/**
 * Brings the schema up to the code, forward only, each step in a transaction of its own, under an advisory lock: any
 * number of processes may call this at once. Throws a MigrationError where an applied step was edited since, or where the
 * database is newer than the code.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const known = options.migrations ?? (await shippedMigrations())
  const sql = postgres(options.url, { max: 1, fetch_types: false, onnotice: () => undefined })
  try {
    await sql`select pg_advisory_lock(${LOCK})`
    await ensureRoles(sql, options.passwords)
    const applied = await applyMissing(sql, known, options.onApplied)
    return { version: known.at(-1)?.version ?? 0, applied }
  } catch (error) {
    throw asDomainError(error)
  } finally {
    // Ending the session frees the lock.
    await sql.end({ timeout: 5 })
  }
}

/** The migrations of this package, in order. */
export async function shippedMigrations(): Promise<Migration[]> {
  const files = (await readdir(MIGRATIONS)).filter((file) => /^\d{4}_[a-z0-9_]+\.sql$/.test(file)).sort()
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(`${MIGRATIONS}/${file}`, 'utf8')
      const checksum = createHash('sha256').update(text).digest('hex')
      return { version: Number(file.slice(0, 4)), name: file.slice(5, -4), text, checksum }
    }),
  )
}

async function applyMissing(
  sql: Sql,
  known: readonly Migration[],
  onApplied: ((migration: Migration) => void) | undefined,
): Promise<number[]> {
  await sql`
    create table if not exists schema_migrations (
      version integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now()
    )`
  const rows = await sql<{ version: number; checksum: string }[]>`
    select version, checksum from schema_migrations order by version`
  for (const { version, checksum } of rows) {
    const migration = known.find((candidate) => candidate.version === version)
    if (migration === undefined) {
      throw new MigrationError(
        `the database is at version ${rows.at(-1)?.version}, newer than this program; update it`,
      )
    }
    if (migration.checksum !== checksum) {
      throw new MigrationError(`migration ${version} (${migration.name}) was changed after it was applied`)
    }
  }
  const missing = known.filter(({ version }) => !rows.some((row) => row.version === version))
  for (const migration of missing) {
    await sql.begin(async (tx) => {
      await tx.unsafe(migration.text).simple()
      await tx`insert into schema_migrations (version, name, checksum)
        values (${migration.version}, ${migration.name}, ${migration.checksum})`
    })
    onApplied?.(migration)
  }
  return missing.map(({ version }) => version)
}
