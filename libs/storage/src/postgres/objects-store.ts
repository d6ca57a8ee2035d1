import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'

/** An object that is about to be PUT. */
export interface WritingObject {
  readonly objectId: string
  readonly streamId: string
  readonly kind: 'part'
  readonly objectKey: string
  readonly size: number
}

/** Announces objects before their PUT: whatever happens then, the collector knows of them. */
export async function insertWritingObjects(
  tx: TenantTransaction,
  objects: readonly WritingObject[],
  at: Date,
): Promise<void> {
  await tx.query`
    insert into objects (tenant_id, object_id, stream_id, kind, object_key, state, size, live_bytes, created_at)
    select ${tx.tenantId}::uuid, o.object_id, o.stream_id, o.kind, o.object_key, 'writing', o.size, o.size, ${at}::timestamptz
    from unnest(
      ${arrayLiteral(objects.map(({ objectId }) => objectId))}::uuid[],
      ${arrayLiteral(objects.map(({ streamId }) => streamId))}::uuid[],
      ${arrayLiteral(objects.map(({ kind }) => kind))}::text[],
      ${arrayLiteral(objects.map(({ objectKey }) => objectKey))}::text[],
      ${arrayLiteral(objects.map(({ size }) => size))}::bigint[]) as o(object_id, stream_id, kind, object_key, size)
    on conflict (tenant_id, object_id) do nothing`
}

/** Makes objects live that a version is about to point at; gives the ids that may be pointed at, under their rows' locks. */
export async function enlivenObjects(
  tx: TenantTransaction,
  objectIds: readonly string[],
  seq: number,
  epoch: number,
): Promise<Set<string>> {
  const rows = await tx.query<{ objectId: string }>`
    update objects set state = 'live', epoch = ${epoch}, first_seq = case when state = 'writing' then ${seq} else first_seq end,
      last_seq = case when state = 'writing' then ${seq} else last_seq end
    where tenant_id = ${tx.tenantId} and object_id = any (${arrayLiteral(objectIds)}::uuid[]) and state in ('writing', 'live')
    returning object_id`
  return new Set(rows.map(({ objectId }) => objectId))
}

/** Marks objects that nothing points at; the collector deletes them after the grace time. */
export function markObjectsDead(
  tx: TenantTransaction,
  objectIds: readonly string[],
  at: Date,
): Promise<unknown> {
  return tx.query`
    update objects set state = 'dead', dead_at = ${at}, live_bytes = 0
    where tenant_id = ${tx.tenantId} and object_id = any (${arrayLiteral(objectIds)}::uuid[]) and state in ('writing', 'live')`
}
