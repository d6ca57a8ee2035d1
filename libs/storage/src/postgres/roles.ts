import type { Sql } from 'postgres'
import { scramVerifier } from './scram-verifier.js'

/** The roles of the service's processes. They own nothing; the migrator's role owns the tables. */
export const DATABASE_ROLES = { app: 'agentfs_app', heads: 'agentfs_heads' } as const

/** A password per role, drawn by the caller. */
export type RolePasswords = { readonly [role in keyof typeof DATABASE_ROLES]: string }

/** Creates the roles where they are missing and sets their passwords; run under the migrator's lock. */
export async function ensureRoles(sql: Sql, passwords: RolePasswords): Promise<void> {
  for (const key of ['app', 'heads'] as const) {
    const role = DATABASE_ROLES[key]
    const [found] = await sql`select 1 from pg_roles where rolname = ${role}`
    const verb = found === undefined ? 'create' : 'alter'
    await sql.unsafe(`${verb} role ${role} login password '${scramVerifier(passwords[key])}'`)
  }
}

/** The connection string of another role on the same database. */
export function roleUrl(url: string, role: keyof typeof DATABASE_ROLES, password: string): string {
  const own = new URL(url)
  own.username = DATABASE_ROLES[role]
  own.password = encodeURIComponent(password)
  return own.href
}
