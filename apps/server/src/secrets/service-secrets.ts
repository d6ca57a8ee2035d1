import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTokenKeys, type TokenKeySet } from '@agentfs/api'
import { type Kms, KeyFileKms } from '@agentfs/crypto'
import type { Home } from '../home.js'
import { OperatorError } from '../operator-error.js'
import { readOrMakeSecret, readSecret } from './secret-file.js'

/** Secrets of the service itself. */
export interface ServiceSecrets {
  /** HMAC key of API-key hashes and e-mail look-ups. */
  readonly pepper: Buffer
  readonly tokenKeys: TokenKeySet
  readonly kms: Kms
}

/**
 * Opens the keys, and makes those that are missing only while nothing depends on them: with tenants in the database a new
 * pepper would lock every key holder out, and a new KMS key would open nothing.
 */
export async function openServiceSecrets(
  home: Home,
  kmsUrl: string,
  hasTenants: boolean,
): Promise<ServiceSecrets> {
  const pepperFile = join(home.keys, 'pepper')
  const pepper = hasTenants ? await readSecret(pepperFile) : await readOrMakeSecret(pepperFile)
  if (pepper === undefined) {
    throw new OperatorError(
      `${pepperFile} is missing, and the database holds tenants whose API keys need it`,
      {
        remedy: `Put ${pepperFile} back from its backup.`,
      },
    )
  }
  return {
    pepper,
    tokenKeys: await openTokenKeys(join(home.keys, 'tokens')),
    kms: await KeyFileKms.open({ path: fileURLToPath(kmsUrl), create: !hasTenants }),
  }
}
