import type { AgentSettings, Role, UserRole } from '@agentfs/contracts'
import { integer, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { bytea, instant } from './columns.js'

/** Which tenant an e-mail address signs in to; outside the tenants. */
export const emailDirectory = pgTable('email_directory', {
  emailHash: bytea('email_hash').primaryKey(),
  tenantId: uuid('tenant_id').notNull(),
  userId: uuid('user_id').notNull(),
  createdAt: instant('created_at').notNull().defaultNow(),
})

/** Organisations. */
export const tenants = pgTable('tenants', {
  tenantId: uuid('tenant_id').primaryKey(),
  name: text('name').notNull(),
  settings: jsonb('settings').notNull().default({}),
  createdAt: instant('created_at').notNull(),
  deletedAt: instant('deleted_at'),
  auditKeyId: uuid('audit_key_id'),
})

/** Key-encryption keys, wrapped by the KMS. */
export const tenantKeks = pgTable(
  'tenant_keks',
  {
    tenantId: uuid('tenant_id').notNull(),
    kekVersion: integer('kek_version').notNull(),
    wrapped: bytea('wrapped').notNull(),
    kms: text('kms').notNull(),
    createdAt: instant('created_at').notNull(),
    ledgeredAt: instant('ledgered_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.kekVersion] })],
)

/** People. */
export const users = pgTable(
  'users',
  {
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    emailHash: bytea('email_hash').notNull(),
    emailSealed: bytea('email_sealed').notNull(),
    subjectKeyId: uuid('subject_key_id').notNull(),
    passwordHash: text('password_hash').notNull(),
    role: text('role').$type<UserRole>().notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.userId] })],
)

/** Sessions of the dashboard. */
export const sessions = pgTable(
  'sessions',
  {
    tenantId: uuid('tenant_id').notNull(),
    sessionId: uuid('session_id').notNull(),
    userId: uuid('user_id').notNull(),
    secretHash: bytea('secret_hash').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.sessionId] })],
)

/** API keys. */
export const apiKeys = pgTable(
  'api_keys',
  {
    tenantId: uuid('tenant_id').notNull(),
    keyId: text('key_id').notNull(),
    name: text('name').notNull(),
    secretHash: bytea('secret_hash').notNull(),
    role: text('role').$type<Role>().notNull(),
    agents: uuid('agents').array(),
    prefixes: text('prefixes').array(),
    cidrs: text('cidrs').array(),
    createdBy: uuid('created_by'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.keyId] })],
)

/** Agents. */
export const agents = pgTable(
  'agents',
  {
    tenantId: uuid('tenant_id').notNull(),
    agentId: uuid('agent_id').notNull(),
    name: text('name').notNull(),
    rootId: uuid('root_id').notNull(),
    streamKeyId: uuid('stream_key_id').notNull(),
    settings: jsonb('settings').$type<AgentSettings>().notNull().default({}),
    createdAt: instant('created_at').notNull(),
    deletedAt: instant('deleted_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.agentId] })],
)

/** Answers kept for repeated requests. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenantId: uuid('tenant_id').notNull(),
    principal: text('principal').notNull(),
    idempotencyKey: text('idempotency_key').notNull(),
    requestDigest: bytea('request_digest').notNull(),
    status: integer('status'),
    answerSealed: bytea('answer_sealed'),
    answerKeyId: uuid('answer_key_id'),
    createdAt: instant('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.principal, t.idempotencyKey] })],
)
