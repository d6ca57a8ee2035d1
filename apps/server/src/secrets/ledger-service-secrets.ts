// The service's own secrets in the key ledger: `tenants/<nil uuid>/keys/<name>`, one JSON document each, wrapped by the KMS
// under {tenant nil, kek_version 1, purpose}:
//
//   {"format": "agentfs-service-secret/1", "purpose": "pepper", "name": "pepper", "wrapped": "<base64>"}
import { mintTenantScope } from '@agentfs/access'
import { SERVICE_TENANT_ID } from '@agentfs/crypto'
import { ledgerKey } from '@agentfs/engine'
import type { ObjectStore } from '@agentfs/storage'
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
