import { KeyObject } from 'node:crypto'
import {
  ed25519PrivateKey,
  ed25519RawPublicKey,
  ed25519PublicKey,
  formatVerifierKey,
  type NoteSigner,
} from '@agentfs/audit'
import type { UsableKey } from '../keys/key-vault.js'

/** The signer of a tenant's checkpoints: its audit key is the seed of an Ed25519 key. */
export function signerOf(tenantId: string, { key }: UsableKey): NoteSigner {
  const seed = key instanceof KeyObject ? key.export() : key
  return { name: `agentfs/${tenantId}`, privateKey: ed25519PrivateKey(seed) }
}

/** What verifies the signatures of a signer, as text for people and for `agentfs-audit`. */
export function verifierKeyOf({ name, privateKey }: NoteSigner): string {
  return formatVerifierKey({ name, publicKey: ed25519PublicKey(ed25519RawPublicKey(privateKey)) })
}
