import type { UserRole } from '@agentfs/contracts'
import type { TenantTransaction } from './transaction.js'

/** A session with its person's role. */
export interface SessionRow {
  readonly sessionId: string
  readonly userId: string
  readonly secretHash: Uint8Array
  readonly expiresAt: Date
  readonly revokedAt: Date | null
  readonly role: UserRole
}

/** Opens a session. */
export async function insertSession(
  tx: TenantTransaction,
  session: Pick<SessionRow, 'sessionId' | 'userId' | 'secretHash' | 'expiresAt'>,
  at: Date,
): Promise<void> {
  await tx.query`
    insert into sessions (tenant_id, session_id, user_id, secret_hash, created_at, expires_at)
    values (${tx.tenantId}, ${session.sessionId}, ${session.userId}, ${session.secretHash}, ${at}, ${session.expiresAt})`
}

/** A session, over or not. */
export async function findSession(tx: TenantTransaction, sessionId: string): Promise<SessionRow | undefined> {
  const [row] = await tx.query<SessionRow>`
    select s.session_id, s.user_id, s.secret_hash, s.expires_at, s.revoked_at, u.role
    from sessions s join users u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
    where s.tenant_id = ${tx.tenantId} and s.session_id = ${sessionId}`
  return row
}

/** Ends a session. */
export async function revokeSession(tx: TenantTransaction, sessionId: string, at: Date): Promise<void> {
  await tx.query`
    update sessions set revoked_at = ${at}
    where tenant_id = ${tx.tenantId} and session_id = ${sessionId} and revoked_at is null`
}
