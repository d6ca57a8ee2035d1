import { z } from 'zod'
import { uuid } from './ids.js'
import { agentSettings, role, userRole } from './rest.js'

const instant = z.iso.datetime()
const bytes = z.base64()

/** A tenant's row after a change. */
export const tenantImage = z.object({
  id: uuid,
  name: z.string(),
  createdAt: instant,
})
/** A tenant's row after a change. */
export type TenantImage = z.infer<typeof tenantImage>

/** A person's row after a change; hashes and sealed bytes in base64. */
export const userImage = z.object({
  id: uuid,
  emailHash: bytes,
  emailSealed: bytes,
  subjectKey: uuid,
  passwordHash: z.string(),
  role: userRole,
  createdAt: instant,
})
/** A person's row after a change. */
export type UserImage = z.infer<typeof userImage>

/** An API key's row after a change; the secret itself is nowhere, its hash is in base64. */
export const apiKeyImage = z.object({
  id: z.string(),
  name: z.string(),
  secretHash: bytes,
  role,
  agents: z.array(uuid).nullable(),
  prefixes: z.array(z.string()).nullable(),
  cidrs: z.array(z.string()).nullable(),
  createdBy: uuid.nullable(),
  createdAt: instant,
  expiresAt: instant.nullable(),
  revokedAt: instant.nullable(),
})
/** An API key's row after a change. */
export type ApiKeyImage = z.infer<typeof apiKeyImage>

/** An agent's row after a change, with its two streams. */
export const agentImage = z.object({
  id: uuid,
  name: z.string(),
  root: uuid,
  settings: agentSettings,
  streamKey: uuid,
  reads: z.object({ stream: uuid, key: uuid }),
  createdAt: instant,
  deletedAt: instant.nullable(),
})
/** An agent's row after a change. */
export type AgentImage = z.infer<typeof agentImage>

/** Rows of a tenant's own that a record changed, as post-images: laid over one another in order they are the rows. */
export const tenantDelta = z.object({
  tenant: tenantImage.optional(),
  users: z.array(userImage).optional(),
  keys: z.array(apiKeyImage).optional(),
  agents: z.array(agentImage).optional(),
})
/** Rows of a tenant's own that a record changed. */
export type TenantDelta = z.infer<typeof tenantDelta>
