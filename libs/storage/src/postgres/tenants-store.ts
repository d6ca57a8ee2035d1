import type { UserRole } from '@agentfs/contracts'
import type { TenantTransaction, Transaction } from './transaction.js'

/** A tenant's row. */
export interface TenantRow {
  readonly tenantId: string
  readonly name: string
  readonly createdAt: Date
}

/** A person's row. */
export interface UserRow {
  readonly userId: string
  readonly emailHash: Uint8Array
  readonly emailSealed: Uint8Array
  readonly subjectKeyId: string
  readonly passwordHash: string
  readonly role: UserRole
  readonly createdAt: Date
}

/** A key-encryption key's row. */
export interface KekRow {
  readonly kekVersion: number
  readonly wrapped: Uint8Array
}

/** Makes the tenant whose scope the transaction has. */
export async function insertTenant(tx: TenantTransaction, name: string, at: Date): Promise<void> {
  await tx.query`insert into tenants (tenant_id, name, created_at) values (${tx.tenantId}, ${name}, ${at})`
}

/** The transaction's tenant, unless it is deleted. */
export async function findTenant(tx: TenantTransaction): Promise<TenantRow | undefined> {
  const [row] = await tx.query<TenantRow>`
    select tenant_id, name, created_at from tenants where tenant_id = ${tx.tenantId} and deleted_at is null`
  return row
}

/** Adds a version of the tenant's key-encryption key. */
export async function insertKek(tx: TenantTransaction, row: KekRow, kms: string, at: Date): Promise<void> {
  await tx.query`
    insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at)
    values (${tx.tenantId}, ${row.kekVersion}, ${row.wrapped}, ${kms}, ${at})`
}

/** A version of the tenant's key-encryption key; 'current' is the highest. */
export async function findKek(
  tx: TenantTransaction,
  kekVersion: number | 'current',
): Promise<KekRow | undefined> {
  const version = kekVersion === 'current' ? null : kekVersion
  const [row] = await tx.query<KekRow>`
    select kek_version, wrapped from tenant_keks
    where tenant_id = ${tx.tenantId} and (${version}::integer is null or kek_version = ${version}::integer)
    order by kek_version desc limit 1`
  return row
}

/** Adds a person. */
export async function insertUser(tx: TenantTransaction, user: UserRow): Promise<void> {
  await tx.query`
    insert into users (tenant_id, user_id, email_hash, email_sealed, subject_key_id, password_hash, role, created_at)
    values (${tx.tenantId}, ${user.userId}, ${user.emailHash}, ${user.emailSealed}, ${user.subjectKeyId},
      ${user.passwordHash}, ${user.role}, ${user.createdAt})`
}

/** A person of the tenant. */
export async function findUser(tx: TenantTransaction, userId: string): Promise<UserRow | undefined> {
  const [row] = await tx.query<UserRow>`
    select user_id, email_hash, email_sealed, subject_key_id, password_hash, role, created_at
    from users where tenant_id = ${tx.tenantId} and user_id = ${userId}`
  return row
}

/** Claims an e-mail address for a person; the table lies outside the tenants. */
export async function insertEmail(
  tx: Transaction,
  email: { readonly emailHash: Uint8Array; readonly tenantId: string; readonly userId: string },
): Promise<void> {
  await tx.query`
    insert into email_directory (email_hash, tenant_id, user_id)
    values (${email.emailHash}, ${email.tenantId}, ${email.userId})`
}

/** Where an e-mail address signs in to. */
export async function findEmail(
  tx: Transaction,
  emailHash: Uint8Array,
): Promise<{ readonly tenantId: string; readonly userId: string } | undefined> {
  const [row] = await tx.query<{ tenantId: string; userId: string }>`
    select tenant_id, user_id from email_directory where email_hash = ${emailHash}`
  return row
}

/** The subject key of a person, or of the person who made an API key. */
export async function findSubjectKeyId(
  tx: TenantTransaction,
  userId: string | null,
  apiKeyId: string | null,
): Promise<string | undefined> {
  const [row] = await tx.query<{ subjectKeyId: string }>`
    select u.subject_key_id from users u
    where u.tenant_id = ${tx.tenantId} and u.user_id = coalesce(${userId}::uuid, (
      select k.created_by from api_keys k where k.tenant_id = ${tx.tenantId} and k.key_id = ${apiKeyId}::text))`
  return row?.subjectKeyId
}
