import { staleAllLedgers } from './keys-store.js'
import { arrayLiteral } from './array-literal.js'
import { PACKER } from './packing/packer-name.js'
import type { TenantTransaction } from './transaction.js'

/** That a tenant was erased, and what tells who did it. */
export interface TenantTombstone {
  readonly reason: string
  readonly at: Date
  /** Sealed by the KMS of the service. */
  readonly record: Uint8Array | null
}

/** The tombstone of the transaction's tenant: it stands under the tenant's own id, and beats every key of it [ENC-3]. */
export async function findTenantTombstone(tx: TenantTransaction): Promise<TenantTombstone | undefined> {
  const [row] = await tx.query<TenantTombstone>`
    select reason, at, record from tombstones where tenant_id = ${tx.tenantId} and key_id = ${tx.tenantId}`
  return row
}

/** Whether the transaction's tenant was erased. */
export async function isTenantErased(tx: TenantTransaction): Promise<boolean> {
  return (await findTenantTombstone(tx)) !== undefined
}

/**
 * Erases a tenant in this transaction [ENC-3]: its tombstone, which no key of it outlives; no credential holds any more, no
 * address leads to it, no agent of it takes a commit, and its mirrors are on their way out. False where it is erased already.
 * A bounded amount of work, whatever the tenant has stored: the chore `erased-tenants` deletes the rows and objects.
 */
export async function eraseTenant(tx: TenantTransaction, tombstone: TenantTombstone): Promise<boolean> {
  const { tenantId } = tx
  const { reason, at, record } = tombstone
  // First of all locks: whoever adds a person, a key or an agent holds a share of this one before any other.
  await tx.query`select from tenants where tenant_id = ${tenantId} for update`
  const added = await tx.query`
    insert into tombstones (tenant_id, key_id, reason, at, record)
    values (${tenantId}, ${tenantId}, ${reason}, ${at}, ${record}) on conflict (tenant_id, key_id) do nothing returning key_id`
  if (added.length === 0) return false
  await tx.query`
    update tenants set name = '', settings = '{}', audit_key_id = null, deleted_at = ${at} where tenant_id = ${tenantId}`
  await tx.query`delete from tenant_keks where tenant_id = ${tenantId}`
  await endAccess(tx, at)
  await endStreams(tx, at)
  await endMirrors(tx, at)
  await staleAllLedgers(tx)
  return true
}

/** How many keys of the tenant its tombstone has taken. */
export async function countKeys(tx: TenantTransaction): Promise<number> {
  const [row] = await tx.query<{ count: number }>`
    select count(*)::integer as count from content_keys where tenant_id = ${tx.tenantId} and wrapped <> ''`
  return row?.count ?? 0
}

async function endAccess(tx: TenantTransaction, at: Date): Promise<void> {
  const { tenantId } = tx
  await tx.query`delete from sessions where tenant_id = ${tenantId}`
  const people = await tx.query<{ emailHash: Uint8Array }>`
    delete from users where tenant_id = ${tenantId} returning email_hash`
  const hashes = arrayLiteral(people.map(({ emailHash }) => emailHash))
  await tx.query`
    delete from email_directory where email_hash = any (${hashes}::bytea[]) and tenant_id = ${tenantId}`
  // The rows stay, so that whoever comes with one of them is told that it was revoked.
  await tx.query`
    update api_keys set revoked_at = coalesce(revoked_at, ${at}), name = '', agents = null, prefixes = null, cidrs = null,
      created_by = null
    where tenant_id = ${tenantId}`
}

/** In the order that everyone keeps: agents, their streams, the tenant's. A commit under way is before this, or refused. */
async function endStreams(tx: TenantTransaction, at: Date): Promise<void> {
  const { tenantId } = tx
  await tx.query`select from agents where tenant_id = ${tenantId} order by agent_id for update`
  await tx.query`update agents set deleted_at = coalesce(deleted_at, ${at}) where tenant_id = ${tenantId}`
  await tx.query`
    select from streams where tenant_id = ${tenantId} order by stream_id = ${tenantId}, stream_id for update`
  // Nothing of it is to be stored any more but the tombstone, for which the tenant's own stream is due.
  await tx.query`
    insert into followers (tenant_id, stream_id, follower, epoch, seq, updated_at)
    select tenant_id, stream_id, ${PACKER}, epoch, head_seq, ${at} from streams where tenant_id = ${tenantId}
    on conflict (tenant_id, stream_id, follower) do update set epoch = excluded.epoch, seq = excluded.seq,
      updated_at = excluded.updated_at`
  await tx.query`
    update streams set checkpoint_since = null, staged_bytes = 0,
      staged_since = case when stream_id = ${tenantId} then ${at}::timestamptz end,
      flush_requested_at = case when stream_id = ${tenantId} then ${at}::timestamptz end
    where tenant_id = ${tenantId}`
}

/** Documents that were kept when a mirror was switched off go as well. */
async function endMirrors(tx: TenantTransaction, at: Date): Promise<void> {
  const { tenantId } = tx
  await tx.query`
    update mirrors set state = 'removing', changed_at = greatest(${at}::timestamptz, changed_at + interval '1 millisecond')
    where tenant_id = ${tenantId}`
  await tx.query`
    insert into followers (tenant_id, stream_id, follower, epoch, seq, updated_at)
    select tenant_id, agent_id, 'mirror', -1, 0, ${at} from mirrors where tenant_id = ${tenantId}
    on conflict (tenant_id, stream_id, follower) do update set epoch = -1, seq = 0, updated_at = ${at}`
}
