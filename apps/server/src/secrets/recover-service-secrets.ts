import { createPrivateKey } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mintTenantScope } from '@agentfs/access'
import { type Kms, SERVICE_TENANT_ID } from '@agentfs/crypto'
import { ledgerKey } from '@agentfs/engine'
import type { ObjectStore } from '@agentfs/storage'
import { z } from 'zod'
import type { Home } from '../home.js'
import { OperatorError } from '../operator-error.js'
import { readSecret, writeSecret } from './secret-file.js'

const document = z.object({
  format: z.literal('agentfs-service-secret/1'),
  purpose: z.enum(['pepper', 'token-signing']),
  name: z.string(),
  wrapped: z.base64(),
})

/** What was put back of the service's own secrets. */
export interface RecoveredSecrets {
  readonly pepper: 'put back' | 'there already'
  readonly tokenKeys: number
}

/**
 * Puts the service's own secrets back from the key ledger where the keys folder lacks them [DUR-6]: the pepper, without which
 * no API key and no password is known again, and the keys that sign access tokens.
 */
export async function recoverServiceSecrets(
  store: ObjectStore,
  home: Home,
  kms: Kms,
): Promise<RecoveredSecrets> {
  const prefix = ledgerKey(mintTenantScope(SERVICE_TENANT_ID), '')
  let pepper: RecoveredSecrets['pepper'] | undefined
  let tokenKeys = 0
  for await (const { key } of store.list(prefix)) {
    const parsed = document.safeParse(parseJson(await store.get(key)))
    if (!parsed.success) continue
    const { purpose, wrapped } = parsed.data
    const context = { tenantId: SERVICE_TENANT_ID, kekVersion: 1, purpose }
    const secret = await kms.unwrap(context, Buffer.from(wrapped, 'base64'))
    if (purpose === 'pepper') pepper = await putPepperBack(join(home.keys, 'pepper'), secret)
    else if (await putTokenKeyBack(join(home.keys, 'tokens'), parsed.data.name, secret)) tokenKeys++
  }
  if (pepper === undefined) {
    throw new OperatorError(
      'the bucket holds no pepper: this is not the object store of an agentfs service',
      {
        remedy: 'Set OBJECT_STORE to the object store that the lost service used, prefix included.',
      },
    )
  }
  return { pepper, tokenKeys }
}

async function putPepperBack(path: string, pepper: Buffer): Promise<RecoveredSecrets['pepper']> {
  const standing = await readSecret(path)
  if (standing === undefined) {
    await writeSecret(path, pepper)
    return 'put back'
  }
  if (standing.equals(pepper)) return 'there already'
  throw new OperatorError(`${path} is not the pepper that the bucket's API keys need`, {
    remedy:
      'It belongs to another service. Move it away, and type the command again: the right one is in the bucket.',
  })
}

async function putTokenKeyBack(directory: string, name: string, der: Buffer): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  for (const file of (await readdir(directory)).filter((one) => one.endsWith('.pem'))) {
    const standing = createPrivateKey(await readFile(join(directory, file)))
    if (standing.export({ type: 'pkcs8', format: 'der' }).equals(der)) return false
  }
  // Named so that it sorts before those made since: the newest signs, all are believed.
  const pem = key.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(join(directory, `00000000-${name}.pem`), pem, { mode: 0o600, flag: 'wx' })
  return true
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}
