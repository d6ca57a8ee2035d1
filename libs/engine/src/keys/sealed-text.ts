import { openObject, sealObject } from '@agentfs/crypto'
import type { UsableKey } from './key-vault.js'

/**
 * Short texts that must not lie in the clear (addresses, e-mail, kept answers), sealed under a key and bound to the row they
 * stand in.
 */
export function sealText(tenantId: string, key: UsableKey, rowId: string, text: string): Buffer {
  return sealObject({ kind: 'answer', tenantId, objectId: rowId, ...key }, Buffer.from(text, 'utf8'))
}

/** Opens what `sealText` sealed; `object_corrupt` for another row's. */
export function openText(tenantId: string, key: UsableKey, rowId: string, sealed: Uint8Array): string {
  return openObject({ kind: 'answer', tenantId, objectId: rowId, ...key }, sealed).toString('utf8')
}
