import { stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'
import type { DatabaseUser } from './database-user.js'
import { runToEnd } from './run-to-end.js'

const CANDIDATES = ['agentfs', 'postgres'] as const

/**
 * Undefined where we are not root: then Postgres simply runs as us. As root: the owner of the existing data,
 * else a user of ours or the system's `postgres`, else one that is made now, else `nobody`.
 */
export async function chooseDatabaseUser(dataDirectory: string): Promise<DatabaseUser | undefined> {
  const us = userInfo()
  const owner = await stat(dataDirectory).catch(() => undefined)
  if (us.uid !== 0) {
    if (owner !== undefined && owner.uid !== us.uid) throw foreign(dataDirectory, owner.uid, us.username)
    return undefined
  }
  if (owner !== undefined && owner.uid !== 0)
    return { name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  for (const name of CANDIDATES) {
    const user = await lookUp(name)
    if (user !== undefined) return user
  }
  const user = (await create('agentfs')) ?? (await lookUp('nobody'))
  if (user !== undefined) return user
  throw new EmbeddedPostgresError(
    'not_owner',
    'Postgres does not run as root, and there is no other user to run it as. ' +
      'Make one ("useradd --system agentfs"), or start the service as an ordinary user.',
  )
}

async function create(name: string): Promise<DatabaseUser | undefined> {
  const flags = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin']
  const made = await runToEnd('/usr/sbin/useradd', [...flags, name], { user: undefined, directory: '/' })
  return made.status === 0 ? lookUp(name) : undefined
}

async function lookUp(name: string): Promise<DatabaseUser | undefined> {
  const [uid, gid] = await Promise.all([numericId('-u', name), numericId('-g', name)])
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { name, uid, gid }
}

async function numericId(flag: string, name: string): Promise<number | undefined> {
  const result = await runToEnd('id', [flag, name], { user: undefined, directory: '/' })
  return result.status === 0 ? Number.parseInt(result.stdout, 10) : undefined
}

function foreign(directory: string, uid: number, username: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'not_owner',
    `${directory} belongs to user id ${uid}, and this is ${username}. ` +
      'Start the service as that user or as root, or point AGENTFS_HOME to a directory of your own.',
  )
}
