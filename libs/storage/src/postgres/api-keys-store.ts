import type { Role } from '@agentfs/contracts'
import { and, asc, eq, gt, isNull } from 'drizzle-orm'
import { apiKeys } from './schema/index.js'
import type { TenantTransaction } from './transaction.js'

/** An API key's row; the secret itself is nowhere. */
export interface ApiKeyRow {
  readonly keyId: string
  readonly name: string
  readonly secretHash: Uint8Array
  readonly role: Role
  readonly agents: string[] | null
  readonly prefixes: string[] | null
  readonly cidrs: string[] | null
  readonly createdBy: string | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** Adds a key. */
export async function insertApiKey(tx: TenantTransaction, row: ApiKeyRow): Promise<void> {
  await tx.db.insert(apiKeys).values({ tenantId: tx.tenantId, ...row })
}

/** A key by its id, revoked ones included. */
export async function findApiKey(tx: TenantTransaction, keyId: string): Promise<ApiKeyRow | undefined> {
  const [row] = await tx.query<ApiKeyRow>`
    select key_id, name, secret_hash, role, agents, prefixes, cidrs, created_by, created_at, expires_at, revoked_at
    from api_keys where tenant_id = ${tx.tenantId} and key_id = ${keyId}`
  return row
}

/** Keys in order of their ids, after a cursor. */
export async function listApiKeys(tx: TenantTransaction, after: string, limit: number): Promise<ApiKeyRow[]> {
  return tx.db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.tenantId, tx.tenantId), gt(apiKeys.keyId, after)))
    .orderBy(asc(apiKeys.keyId))
    .limit(limit)
}

/** Revokes a key; false where there is none that holds. */
export async function revokeApiKey(tx: TenantTransaction, keyId: string, at: Date): Promise<boolean> {
  const rows = await tx.db
    .update(apiKeys)
    .set({ revokedAt: at })
    .where(and(eq(apiKeys.tenantId, tx.tenantId), eq(apiKeys.keyId, keyId), isNull(apiKeys.revokedAt)))
    .returning({ keyId: apiKeys.keyId })
  return rows.length > 0
}
