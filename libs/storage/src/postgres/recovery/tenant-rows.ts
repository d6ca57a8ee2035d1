import type { AgentImage, ApiKeyImage, TenantImage, UserImage } from '@agentfs/contracts'
import { arrayLiteral } from '../array-literal.js'
import type { KeyLedgerRows } from '../packing/key-ledger-store.js'
import type { StreamKind } from '../streams-store.js'
import type { TenantTransaction } from '../transaction.js'

/**
 * Puts back the keys of a tenant as the ledger has them, newer wrappings of known keys too. A tombstone leaves of its key an
 * empty row, as erasing does, and empties one that is there. The tenant's own row comes with its first record; until then it
 * has no name.
 */
export async function restoreKeys(tx: TenantTransaction, rows: KeyLedgerRows, at: Date): Promise<void> {
  const { tenantId } = tx
  const { keks, keys, tombstones } = rows
  const since = keks[0]?.createdAt ?? at
  await tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, '', ${since}) on conflict do nothing`
  await tx.query`
    insert into tenant_keks (tenant_id, kek_version, wrapped, kms, created_at, ledgered_at)
    select ${tenantId}::uuid, k.*, ${at}::timestamptz from unnest(
      ${arrayLiteral(keks.map((kek) => kek.kekVersion))}::integer[], ${arrayLiteral(keks.map((kek) => kek.wrapped))}::bytea[],
      ${arrayLiteral(keks.map((kek) => kek.kms))}::text[],
      ${arrayLiteral(keks.map((kek) => kek.createdAt))}::timestamptz[]) as k
    on conflict (tenant_id, kek_version) do nothing`
  await tx.query`
    insert into tombstones (tenant_id, key_id, reason, at, record, ledgered_at)
    select ${tenantId}::uuid, t.*, ${at}::timestamptz from unnest(
      ${arrayLiteral(tombstones.map(({ keyId }) => keyId))}::uuid[],
      ${arrayLiteral(tombstones.map(({ reason }) => reason))}::text[],
      ${arrayLiteral(tombstones.map((tombstone) => tombstone.at))}::timestamptz[],
      ${arrayLiteral(tombstones.map(({ record }) => record))}::bytea[]) as t
    on conflict (tenant_id, key_id) do nothing`
  await tx.query`
    insert into content_keys (tenant_id, key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped, created_at,
      ledgered_at)
    select ${tenantId}::uuid, k.key_id, k.purpose, k.agent_id, k.node_id, k.key_version, k.kek_version,
      case when t.key_id is null then k.wrapped else ''::bytea end, k.created_at, ${at}::timestamptz
    from unnest(
      ${arrayLiteral(keys.map((key) => key.keyId))}::uuid[], ${arrayLiteral(keys.map((key) => key.purpose))}::text[],
      ${arrayLiteral(keys.map((key) => key.agentId))}::uuid[], ${arrayLiteral(keys.map((key) => key.nodeId))}::uuid[],
      ${arrayLiteral(keys.map((key) => key.keyVersion))}::integer[],
      ${arrayLiteral(keys.map((key) => key.kekVersion))}::integer[], ${arrayLiteral(keys.map((key) => key.wrapped))}::bytea[],
      ${arrayLiteral(keys.map((key) => key.createdAt))}::timestamptz[]
    ) as k(key_id, purpose, agent_id, node_id, key_version, kek_version, wrapped, created_at)
    left join tombstones t on t.tenant_id = ${tenantId} and t.key_id = k.key_id
    on conflict (tenant_id, key_id) do update set key_version = excluded.key_version, kek_version = excluded.kek_version,
      wrapped = excluded.wrapped
    where content_keys.wrapped <> '' and excluded.wrapped <> ''
      and (excluded.key_version, excluded.kek_version) > (content_keys.key_version, content_keys.kek_version)`
  await tx.query`
    update content_keys set wrapped = ''::bytea where tenant_id = ${tenantId} and wrapped <> ''
      and key_id in (select key_id from tombstones where tenant_id = ${tenantId})`
}

/** Key ids that rows refer to and no ledger has: they get an empty row, which opens nothing. */
export async function insertLostKeys(
  tx: TenantTransaction,
  agentId: string,
  keyIds: readonly string[],
  at: Date,
): Promise<string[]> {
  const rows = await tx.query<{ keyId: string }>`
    insert into content_keys (tenant_id, key_id, purpose, agent_id, kek_version, wrapped, created_at, ledgered_at)
    select ${tx.tenantId}::uuid, k, 'content', ${agentId}::uuid, 0, ''::bytea, ${at}::timestamptz, ${at}::timestamptz
    from unnest(${arrayLiteral(keyIds)}::uuid[]) as k
    on conflict (tenant_id, key_id) do nothing returning key_id`
  if (rows.length === 0) return []
  // A tombstone without any copy of its key is no loss: that is how an erased key looks.
  const lost = await tx.query<{ keyId: string }>`
    select k as key_id from unnest(${arrayLiteral(rows.map(({ keyId }) => keyId))}::uuid[]) as k
    where not exists (select from tombstones t where t.tenant_id = ${tx.tenantId} and t.key_id = k)`
  return lost.map(({ keyId }) => keyId)
}

/** The rows that an erased tenant keeps: its own, without a name, and its stream, by which sweeps find it. */
export async function restoreErasedTenant(tx: TenantTransaction, at: Date): Promise<void> {
  const { tenantId } = tx
  await tx.query`insert into tenants (tenant_id, name, created_at) values (${tenantId}, '', ${at}) on conflict do nothing`
  await restoreStream(tx, { streamId: tenantId, kind: 'tenant', agentId: null, keyId: tenantId })
}

/** Puts a tenant's own row back. */
export async function restoreTenant(tx: TenantTransaction, image: TenantImage): Promise<void> {
  await tx.query`
    insert into tenants (tenant_id, name, created_at)
    values (${tx.tenantId}, ${image.name}, ${new Date(image.createdAt)})
    on conflict (tenant_id) do update set name = excluded.name, created_at = excluded.created_at`
}

/** Puts a person back, with the way from the e-mail address to the tenant. */
export async function restoreUser(tx: TenantTransaction, image: UserImage): Promise<void> {
  const emailHash = Buffer.from(image.emailHash, 'base64')
  await tx.query`
    insert into users (tenant_id, user_id, email_hash, email_sealed, subject_key_id, password_hash, role, created_at)
    values (${tx.tenantId}, ${image.id}, ${emailHash}, ${Buffer.from(image.emailSealed, 'base64')}, ${image.subjectKey},
      ${image.passwordHash}, ${image.role}, ${new Date(image.createdAt)})
    on conflict (tenant_id, user_id) do update set email_hash = excluded.email_hash, email_sealed = excluded.email_sealed,
      subject_key_id = excluded.subject_key_id, password_hash = excluded.password_hash, role = excluded.role`
  await tx.query`
    insert into email_directory (email_hash, tenant_id, user_id) values (${emailHash}, ${tx.tenantId}, ${image.id})
    on conflict (email_hash) do nothing`
}

/** Puts an API key back, revoked or not. */
export async function restoreApiKey(tx: TenantTransaction, image: ApiKeyImage): Promise<void> {
  const date = (text: string | null): Date | null => (text === null ? null : new Date(text))
  const list = (items: readonly string[] | null): string | null =>
    items === null ? null : arrayLiteral(items)
  await tx.query`
    insert into api_keys (tenant_id, key_id, name, secret_hash, role, agents, prefixes, cidrs, created_by, created_at,
      expires_at, revoked_at)
    values (${tx.tenantId}, ${image.id}, ${image.name}, ${Buffer.from(image.secretHash, 'base64')}, ${image.role},
      ${list(image.agents)}::uuid[], ${list(image.prefixes)}::text[], ${list(image.cidrs)}::text[], ${image.createdBy},
      ${new Date(image.createdAt)}, ${date(image.expiresAt)}, ${date(image.revokedAt)})
    on conflict (tenant_id, key_id) do update set name = excluded.name, revoked_at = excluded.revoked_at,
      expires_at = excluded.expires_at`
}

/** Puts an agent back, with its two streams; its tree comes with its commits. */
export async function restoreAgent(tx: TenantTransaction, image: AgentImage): Promise<void> {
  const deletedAt = image.deletedAt === null ? null : new Date(image.deletedAt)
  await tx.query`
    insert into agents (tenant_id, agent_id, name, root_id, stream_key_id, settings, created_at, deleted_at)
    values (${tx.tenantId}, ${image.id}, ${image.name}, ${image.root}, ${image.streamKey},
      ${JSON.stringify(image.settings)}::jsonb, ${new Date(image.createdAt)}, ${deletedAt})
    on conflict (tenant_id, agent_id) do update set name = excluded.name, settings = excluded.settings,
      deleted_at = excluded.deleted_at`
  await restoreStream(tx, { streamId: image.id, kind: 'agent', agentId: image.id, keyId: image.streamKey })
  const { stream, key } = image.reads
  await restoreStream(tx, { streamId: stream, kind: 'reads', agentId: image.id, keyId: key })
}

/** Opens a stream at its beginning, unless it is there. */
export async function restoreStream(
  tx: TenantTransaction,
  stream: {
    readonly streamId: string
    readonly kind: StreamKind
    readonly agentId: string | null
    readonly keyId: string
  },
): Promise<void> {
  await tx.query`
    insert into streams (tenant_id, stream_id, kind, agent_id, key_id)
    values (${tx.tenantId}, ${stream.streamId}, ${stream.kind}, ${stream.agentId}, ${stream.keyId})
    on conflict (tenant_id, stream_id) do nothing`
}

/** Streams of a tenant's agents, with what their trees begin with; deleted agents too. */
export function agentsToRestore(tx: TenantTransaction): Promise<
  {
    readonly agentId: string
    readonly rootId: string
    readonly createdAt: Date
    readonly deletedAt: Date | null
    readonly readsStreamId: string
  }[]
> {
  return tx.query`
    select a.agent_id, a.root_id, a.created_at, a.deleted_at, r.stream_id as reads_stream_id
    from agents a join streams r on r.tenant_id = a.tenant_id and r.agent_id = a.agent_id and r.kind = 'reads'
    where a.tenant_id = ${tx.tenantId} and r.tenant_id = ${tx.tenantId} order by a.agent_id`
}

/** True where the key of a stream is a tombstone's: its agent was erased. */
export async function isStreamKeyErased(tx: TenantTransaction, streamId: string): Promise<boolean> {
  const rows = await tx.query`
    select 1 as one from streams s join tombstones t on t.tenant_id = s.tenant_id and t.key_id = s.key_id
    where s.tenant_id = ${tx.tenantId} and s.stream_id = ${streamId} and t.tenant_id = ${tx.tenantId}`
  return rows.length > 0
}
