import type { TenantTransaction } from './transaction.js'

/** A claimed key; `status` is null while its request is under way. */
export interface IdempotencyRow {
  readonly requestDigest: Uint8Array
  readonly status: number | null
  readonly answerSealed: Uint8Array | null
  readonly answerKeyId: string | null
  readonly createdAt: Date
}

/** Claims a key, or takes over one that is older than `staleBefore`; undefined where it was claimed, else what stands there. */
export async function claimIdempotencyKey(
  tx: TenantTransaction,
  claim: { readonly principal: string; readonly key: string; readonly digest: Uint8Array },
  at: Date,
  staleBefore: Date,
  abandonedBefore: Date,
): Promise<IdempotencyRow | undefined> {
  const claimed = await tx.query`
    insert into idempotency_keys (tenant_id, principal, idempotency_key, request_digest, created_at)
    values (${tx.tenantId}, ${claim.principal}, ${claim.key}, ${claim.digest}, ${at})
    on conflict (tenant_id, principal, idempotency_key) do update set request_digest = excluded.request_digest, status = null,
      answer_sealed = null, answer_key_id = null, created_at = excluded.created_at
    where idempotency_keys.created_at < ${staleBefore}
      or (idempotency_keys.status is null and idempotency_keys.created_at < ${abandonedBefore}
        and idempotency_keys.request_digest = excluded.request_digest)
    returning 1 as one`
  if (claimed.length > 0) return undefined
  const [row] = await tx.query<IdempotencyRow>`
    select request_digest, status, answer_sealed, answer_key_id, created_at from idempotency_keys
    where tenant_id = ${tx.tenantId} and principal = ${claim.principal} and idempotency_key = ${claim.key}`
  return row
}

/** Keeps the answer of a claimed key. */
export async function finishIdempotencyKey(
  tx: TenantTransaction,
  claim: { readonly principal: string; readonly key: string },
  answer: { readonly status: number; readonly sealed: Uint8Array; readonly keyId: string },
): Promise<void> {
  await tx.query`
    update idempotency_keys set status = ${answer.status}, answer_sealed = ${answer.sealed}, answer_key_id = ${answer.keyId}
    where tenant_id = ${tx.tenantId} and principal = ${claim.principal} and idempotency_key = ${claim.key}`
}

/** Lets go of a claim without an answer. */
export async function abandonIdempotencyKey(
  tx: TenantTransaction,
  claim: { readonly principal: string; readonly key: string },
): Promise<void> {
  await tx.query`
    delete from idempotency_keys
    where tenant_id = ${tx.tenantId} and principal = ${claim.principal} and idempotency_key = ${claim.key} and status is null`
}
