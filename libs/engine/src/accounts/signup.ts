import { mintTenantScope } from '@agentfs/access'
import { EMPTY_LOG } from '@agentfs/audit'
import { AgentfsError, type SignupAnswer, type SignupRequest, uuidv7 } from '@agentfs/contracts'
import { hashApiKey, makeApiKey } from '@agentfs/crypto'
import {
  type ApiKeyRow,
  type Database,
  insertApiKey,
  insertEmail,
  insertKek,
  insertKeys,
  insertStream,
  insertTenant,
  insertUser,
  isUniqueViolation,
  type StreamRow,
} from '@agentfs/storage'
import type { RequestOrigin } from '../caller.js'
import type { KeyVault } from '../keys/key-vault.js'
import { sealText } from '../keys/sealed-text.js'
import type { Clock, TenantResources } from '../ports.js'
import { appendRecords } from '../streams/append-records.js'
import { apiKeyImageOf, sealTenantDelta, userImageOf } from '../streams/tenant-state.js'
import type { Secrets } from './secrets.js'

/** What a sign-up works with. */
export interface SignupTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly secrets: Secrets
  readonly resources: TenantResources
  readonly clock: Clock
}

/** Makes a tenant with its keys, stream, owner and first API key, and the record of it, in one transaction. */
export async function signup(
  tools: SignupTools,
  origin: RequestOrigin,
  request: SignupRequest,
): Promise<SignupAnswer> {
  const { database, vault, secrets } = tools
  const scope = mintTenantScope(uuidv7())
  const { tenantId } = scope
  const userId = uuidv7()
  const passwordHash = await secrets.hashPassword(request.password)
  const { kms } = await tools.resources.resolve(scope)
  const kmsName = await kms.describe()
  const apiKey = makeApiKey('live', tenantId)
  const at = new Date(tools.clock.now())
  return vault.withNewTenant(scope, async (kek) => {
    const streamKey = await vault.newKey(scope, 'stream')
    const subjectKey = await vault.newKey(scope, 'subject')
    const emailHash = secrets.emailHash(request.email)
    const emailSealed = sealText(tenantId, subjectKey, userId, request.email)
    const addressSealed =
      origin.address === null ? null : sealText(tenantId, subjectKey, subjectKey.keyId, origin.address)
    await database
      .withTenant(scope, async (tx) => {
        // First, and awaited: the unique index decides who has the address.
        await insertEmail(tx, { emailHash, tenantId, userId })
        tx.later(insertTenant(tx, request.tenant, at))
        tx.later(insertKek(tx, kek, `${kmsName.provider}:${kmsName.rootKeyId}`, at))
        tx.later(insertKeys(tx, [streamKey.row, subjectKey.row], at))
        const user = { userId, emailHash, emailSealed, subjectKeyId: subjectKey.keyId, passwordHash }
        const person = { ...user, role: 'owner', createdAt: at } as const
        tx.later(insertUser(tx, person))
        const stream = { streamId: tenantId, kind: 'tenant', agentId: null, keyId: streamKey.keyId } as const
        tx.later(insertStream(tx, stream))
        const key: ApiKeyRow = {
          keyId: apiKey.id,
          name: 'first key',
          secretHash: hashApiKey(secrets.pepper, apiKey.text),
          role: 'manager',
          agents: null,
          prefixes: null,
          cidrs: null,
          createdBy: userId,
          createdAt: at,
          expiresAt: null,
          revokedAt: null,
        }
        tx.later(insertApiKey(tx, key))
        const row: StreamRow = {
          ...stream,
          epoch: 0,
          headSeq: 0,
          merkleSize: EMPTY_LOG.size,
          merkleRange: EMPTY_LOG.range,
          grantsVersion: 0,
        }
        const record = {
          at: at.toISOString(),
          actor: { kind: 'user', id: userId } as const,
          door: origin.door,
          ...(addressSealed === null ? {} : { address: addressSealed.toString('base64') }),
          requestId: origin.requestId,
          outcome: 'allowed' as const,
          changes: [
            { index: 0, action: 'tenant.create' as const },
            { index: 1, action: 'user.create' as const, details: { user: userId } },
            { index: 2, action: 'key.create' as const, details: { key: apiKey.id } },
          ],
          state: sealTenantDelta(tenantId, streamKey, {
            tenant: { id: tenantId, name: request.tenant, createdAt: at.toISOString() },
            users: [userImageOf(person)],
            keys: [apiKeyImageOf(key)],
          }),
        }
        appendRecords(tx, row, streamKey, [{ record, agentId: null, addressSealed }])
      })
      .catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error
        throw new AgentfsError('already_exists', { detail: 'this e-mail address is in use; sign in instead' })
      })
    const createdAt = at.toISOString()
    return {
      tenant: { id: tenantId, name: request.tenant, createdAt },
      user: { id: userId, email: request.email, role: 'owner', createdAt },
      apiKey: { id: apiKey.id, secret: apiKey.text },
    }
  })
}
