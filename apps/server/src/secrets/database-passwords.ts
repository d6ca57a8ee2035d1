import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import type { RolePasswords } from '@agentfs/storage'
import type { Home } from '../home.js'
import { readOrMakeSecret } from './secret-file.js'

/** Passwords of the database roles. */
export interface DatabasePasswords extends RolePasswords {
  readonly queue: string
}

/**
 * Derives the roles' passwords from one root secret, so that processes of one service need to share nothing else. A root
 * secret that was lost is made anew: the next migration sets the new passwords.
 */
export async function databasePasswords(home: Home): Promise<DatabasePasswords> {
  const root = await readOrMakeSecret(join(home.keys, 'root-secret'))
  const derive = (role: string): string =>
    createHmac('sha256', root).update(`agentfs/role-password/v1\0${role}`).digest('base64url')
  return { app: derive('app'), heads: derive('heads'), queue: derive('queue') }
}
