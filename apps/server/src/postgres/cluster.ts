import { randomBytes } from 'node:crypto'
import { chmod, chown, lchown, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresBinaries } from './binaries.js'
import { dataArgument } from './data-argument.js'
import type { DatabaseUser } from './database-user.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { syncDirectory } from './password.js'
import { runToEnd } from './run-to-end.js'
import { DATABASE, HOST_BASED_AUTHENTICATION, SUPERUSER } from './settings.js'

/** A data directory, who may touch it, and the programs that fit it. */
export interface Cluster {
  readonly dataDirectory: string
  readonly user: DatabaseUser | undefined
  readonly binaries: PostgresBinaries
}

/** True where a whole cluster stands; refuses one that another major version has written. */
export async function clusterExists({ dataDirectory, binaries }: Cluster): Promise<boolean> {
  const text = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (text === undefined) return false
  const major = Number.parseInt(text, 10)
  if (major === binaries.major) return true
  throw new EmbeddedPostgresError(
    'other_major',
    `${dataDirectory} was written by Postgres ${text.trim()}, and this release brings ${binaries.major}. ` +
      'Start the release that wrote it, dump it with pg_dump, and load the dump into an empty AGENTFS_HOME; ' +
      `or run that data with a Postgres ${text.trim()} of your own and set DATABASE_URL.`,
  )
}

/**
 * Makes the cluster beside its final name and renames it there whole: a kill on the way leaves a directory that
 * the next start throws away, never half a cluster.
 */
export async function createCluster(cluster: Cluster, password: string): Promise<void> {
  const parent = join(cluster.dataDirectory, '..')
  for (const name of await readdir(parent)) {
    if (name.startsWith('data.new-')) await rm(join(parent, name), { recursive: true, force: true })
  }
  const staging = join(parent, `data.new-${randomBytes(6).toString('hex')}`)
  await mkdir(staging, { mode: 0o700 })
  if (cluster.user !== undefined) await chown(staging, cluster.user.uid, cluster.user.gid)
  const staged = { ...cluster, dataDirectory: staging }
  await initialize(staged)
  await runStatements(staged, [passwordStatement(password), `CREATE DATABASE ${DATABASE}`])
  await writeFile(join(staging, 'pg_hba.conf'), HOST_BASED_AUTHENTICATION)
  await rename(staging, cluster.dataDirectory)
  await syncDirectory(parent)
}

/** Sets the password of a stopped cluster, for a password file that was lost. */
export async function resetPassword(cluster: Cluster, password: string): Promise<void> {
  await runStatements(cluster, [passwordStatement(password)])
}

/** Gives restored data, which `cp` as root leaves to root, to the user that Postgres runs as. */
export async function handOver({ dataDirectory, user }: Cluster): Promise<void> {
  if (user === undefined || (await stat(dataDirectory)).uid === user.uid) return
  for (const entry of await readdir(dataDirectory, { recursive: true })) {
    await lchown(join(dataDirectory, entry), user.uid, user.gid)
  }
  await chmod(dataDirectory, 0o700)
  // Last: its owner is what says whether this was finished.
  await chown(dataDirectory, user.uid, user.gid)
}

async function initialize({ dataDirectory, user, binaries }: Cluster): Promise<void> {
  const args = [
    ...dataArgument(dataDirectory, user),
    `--username=${SUPERUSER}`,
    // Nobody gets in until our own rules are in place; initdb would warn about anything weaker than a password.
    '--auth=reject',
    '--data-checksums',
    '--encoding=UTF8',
    '--locale=C',
    // Order by code point, the same on every machine: an index never depends on the system's libc.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]
  const result = await runToEnd(binaries.initdb, args, { user, directory: dataDirectory })
  if (result.status !== 0) throw failed('initdb', result.stderr)
}

/** Runs statements in Postgres' single-user mode: no listener, no password needed, and no client library. */
async function runStatements(
  { dataDirectory, user, binaries }: Cluster,
  statements: readonly string[],
): Promise<void> {
  const quiet = ['-c', 'log_min_error_statement=panic', '-c', 'log_checkpoints=off', '-c', 'exit_on_error=on']
  const args = ['--single', ...dataArgument(dataDirectory, user), ...quiet, 'postgres']
  const input = statements.map((statement) => `${statement};\n`).join('')
  const result = await runToEnd(binaries.postgres, args, { user, directory: dataDirectory, input })
  if (result.status !== 0) throw failed('postgres --single', result.stderr)
}

function passwordStatement(password: string): string {
  // base64url has no quote, so nothing needs escaping.
  return `ALTER ROLE ${SUPERUSER} PASSWORD '${password}'`
}

function failed(program: string, stderr: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'initialization_failed',
    `${program} failed: ${stderr.trim() || 'no message'}. Free disk space or fix what it names, then start again.`,
  )
}
