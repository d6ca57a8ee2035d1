import type { TenantScope } from '@agentfs/access'
import { isUuid } from '@agentfs/contracts'
import { tenantPrefix } from '../followers/object-keys.js'

/** An object that the service made, by its key alone. */
export interface OwnedObject {
  readonly objectId: string
  readonly kind: 'segment' | 'part' | 'prefixes' | 'tree' | 'keys'
  /** From the object's id, which was drawn before its row was written. */
  readonly createdAtMs: number
}

const KINDS = new Map([
  ['seg', 'segment'],
  ['part', 'part'],
  ['prefixes', 'prefixes'],
  ['tree', 'tree'],
  ['keys', 'keys'],
] as const)

/** What a key says of its object; undefined for anything that the service did not name so. */
export function ownedObject(scope: TenantScope, key: string): OwnedObject | undefined {
  const within = key.slice(tenantPrefix(scope).length + 1).split('/')
  const owned = within.length === 4 && within[0] === 'agents' ? within.slice(2) : within
  const [folder = '', name = ''] = owned
  const kind = [...KINDS].find(([known]) => known === folder)?.[1]
  const objectId = name.slice(-36)
  const twoIds = kind === 'part' || kind === 'prefixes' || kind === 'tree'
  const named = twoIds ? name.length === 73 && isUuid(name.slice(0, 36)) : name.length === 36
  if (owned.length !== 2 || kind === undefined || !named || !isUuid(objectId)) return undefined
  return { objectId, kind, createdAtMs: Number.parseInt(objectId.replaceAll('-', '').slice(0, 12), 16) }
}
