// The service's own secrets in the key ledger: `tenants/<nil uuid>/keys/<name>`, one JSON document each, wrapped by the KMS
// under {tenant nil, kek_version 1, purpose}:
//
//   {"format": "agentfs-service-secret/1", "purpose": "pepper", "name": "pepper", "wrapped": "<base64>"}
import { mintTenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { type Kms, KeyFileKms, SERVICE_TENANT_ID } from '@agentfs/crypto'
import { ledgerKey } from '@agentfs/engine'
import type { ObjectStore } from '@agentfs/storage'
import { z } from 'zod'
import type { ServiceSecrets } from './service-secrets.js'

/** Puts what is not there yet of pepper and token keys into the ledger, so that the bucket and the KMS are enough [DUR-6]. */
export async function ledgerServiceSecrets(store: ObjectStore, secrets: ServiceSecrets): Promise<void> {
  const entries = [
    { name: 'pepper', purpose: 'pepper', secret: secrets.pepper },
    ...secrets.tokenKeys.map(({ kid, privateKey }) => ({
      name: `token-${kid}`,
      purpose: 'token-signing',
      secret: privateKey.export({ type: 'pkcs8', format: 'der' }),
    })),
  ]
  const scope = mintTenantScope(SERVICE_TENANT_ID)
  for (const { name, purpose, secret } of entries) {
    const key = ledgerKey(scope, name)
    // Wrapping draws a nonce, so that a second attempt has other bytes: whichever stands there is as good.
    if ((await store.head(key)) !== null) continue
    const context = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose }
    const wrapped = await secrets.kms.wrap(context, secret)
    const document = {
      format: 'agentfs-service-secret/1',
      purpose,
      name,
      wrapped: wrapped.toString('base64'),
    }
    await store.putIfAbsent(key, Buffer.from(`${JSON.stringify(document)}\n`))
  }
}

/** What is wrong with a secret as it stands in the ledger; undefined for one that the KMS opens. */
export async function checkServiceSecret(
  kms: Kms,
  key: string,
  body: Uint8Array,
): Promise<string | undefined> {
  try {
    const { purpose, name, wrapped } = secretDocument.parse(JSON.parse(Buffer.from(body).toString('utf8')))
    if (!key.endsWith(`/keys/${name}`)) return `is the secret ${name}`
    const context = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose }
    await kms.unwrap(context, wrapped)
    return undefined
  } catch (error) {
    if (isAgentfsError(error, 'kms_unavailable')) throw error
    return 'is not a secret that the KMS opens'
  }
}

const secretDocument = z.object({
  format: z.literal('agentfs-service-secret/1'),
  purpose: z.string(),
  name: z.string(),
  wrapped: z.base64().transform((text) => Buffer.from(text, 'base64')),
})

/** Adds a root key where the KMS is ours to rotate, and has the service's own secrets wrapped under the newest. */
export async function rotateRoot(store: ObjectStore, kms: Kms): Promise<void> {
  if (kms instanceof KeyFileKms) await kms.rotate()
  const scope = mintTenantScope(SERVICE_TENANT_ID)
  for await (const { key } of store.list(ledgerKey(scope, ''))) {
    const secret = secretDocument.parse(JSON.parse(Buffer.from(await store.get(key)).toString('utf8')))
    const context = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose: secret.purpose }
    const wrapped = (await kms.rewrap(context, secret.wrapped)).toString('base64')
    await store.put(key, Buffer.from(`${JSON.stringify({ ...secret, wrapped })}\n`))
  }
}
