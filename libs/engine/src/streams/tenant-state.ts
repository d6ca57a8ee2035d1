import {
  type AgentImage,
  type ApiKeyImage,
  type TenantDelta,
  tenantDelta,
  type UserImage,
} from '@agentfs/contracts'
import type { AgentImageRow, ApiKeyRow, UserRow } from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'
import { openText, sealText } from '../keys/sealed-text.js'

/** A record's `state`: rows of the tenant's own, sealed under its stream's key, for an export shows no password's hash. */
export function sealTenantDelta(tenantId: string, key: UsableKey, delta: TenantDelta): string {
  return sealText(tenantId, key, tenantId, JSON.stringify(delta)).toString('base64')
}

/** Opens what `sealTenantDelta` sealed; `object_corrupt` for anything else. */
export function openTenantDelta(tenantId: string, key: UsableKey, state: string): TenantDelta {
  return tenantDelta.parse(JSON.parse(openText(tenantId, key, tenantId, Buffer.from(state, 'base64'))))
}

/** A person's row as a record holds it. */
export function userImageOf(row: UserRow): UserImage {
  return {
    id: row.userId,
    emailHash: base64(row.emailHash),
    emailSealed: base64(row.emailSealed),
    subjectKey: row.subjectKeyId,
    passwordHash: row.passwordHash,
    role: row.role,
    createdAt: row.createdAt.toISOString(),
  }
}

/** An API key's row as a record holds it. */
export function apiKeyImageOf(row: ApiKeyRow): ApiKeyImage {
  return {
    id: row.keyId,
    name: row.name,
    secretHash: base64(row.secretHash),
    role: row.role,
    agents: row.agents,
    prefixes: row.prefixes,
    cidrs: row.cidrs,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }
}

/** An agent's row, with its streams, as a record holds it. */
export function agentImageOf(row: AgentImageRow): AgentImage {
  return {
    id: row.agentId,
    name: row.name,
    root: row.rootId,
    settings: row.settings,
    streamKey: row.streamKeyId,
    reads: { stream: row.readsStreamId, key: row.readsKeyId },
    createdAt: row.createdAt.toISOString(),
    deletedAt: row.deletedAt?.toISOString() ?? null,
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
