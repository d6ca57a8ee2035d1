import { createHash, randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestkitConfig } from '../config.js'
import type { PostgresInstallation } from './installation.js'
import { type ProcessOwner, runProgram } from './run-program.js'

/** The superuser of a throw-away cluster. */
export const SUPERUSER = 'postgres'

const INITDB_FLAGS = [
  '--encoding=UTF8',
  '--locale=C',
  '--auth=scram-sha-256',
  '--no-sync',
  '--no-instructions',
]

/**
 * Fills `dataDirectory` with a fresh cluster and gives the superuser's password.
 * initdb takes 1-3 s, a copy of its result 0.1 s: the first call keeps a template in the cache, per
 * Postgres version and owner. The password is drawn with the template and lies beside it, mode 0600.
 */
export async function createDataDirectory(
  config: TestkitConfig,
  installation: PostgresInstallation,
  owner: ProcessOwner,
  dataDirectory: string,
): Promise<string> {
  const template = await ensureTemplate(config, installation, owner)
  // cp keeps owner and modes, and shares blocks where the filesystem can.
  await runProgram('cp', ['-a', join(template, 'data'), dataDirectory])
  return (await readFile(join(template, 'password'), 'utf8')).trim()
}

async function ensureTemplate(
  config: TestkitConfig,
  installation: PostgresInstallation,
  owner: ProcessOwner,
): Promise<string> {
  const identity = JSON.stringify([
    installation.version,
    installation.initdb,
    INITDB_FLAGS,
    owner,
    process.getuid?.(),
  ])
  const parent = join(config.cacheDirectory, 'postgres-templates')
  const template = join(parent, createHash('sha256').update(identity).digest('hex').slice(0, 24))
  if (await isComplete(template)) return template
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const staging = await mkdtemp(`${template}.`)
  try {
    await initialise(config, installation, owner, staging)
    // Several test processes may come here at once: the first rename wins, the others use its result.
    await rename(staging, template).catch(async (error: unknown) => {
      if (!(await isComplete(template))) throw error
    })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
  return template
}

async function isComplete(template: string): Promise<boolean> {
  return readFile(join(template, 'password')).then(
    () => true,
    () => false,
  )
}

async function initialise(
  config: TestkitConfig,
  installation: PostgresInstallation,
  owner: ProcessOwner,
  staging: string,
): Promise<void> {
  const password = randomBytes(24).toString('base64url')
  // initdb runs as the owner, who may not enter our cache: it works in a folder of its own.
  const workshop = await mkdtemp(join(config.temporaryDirectory, 'agentfs-initdb-'))
  try {
    const passwordFile = join(workshop, 'password')
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
    if (owner.uid !== undefined && owner.gid !== undefined) {
      await chown(workshop, owner.uid, owner.gid)
      await chown(passwordFile, owner.uid, owner.gid)
    }
    const data = join(workshop, 'data')
    const args = [`--pgdata=${data}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, ...INITDB_FLAGS]
    await runProgram(installation.initdb, args, owner)
    await runProgram('cp', ['-a', data, join(staging, 'data')])
    await writeFile(join(staging, 'password'), `${password}\n`, { mode: 0o600 })
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}
