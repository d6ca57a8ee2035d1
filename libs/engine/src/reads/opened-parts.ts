import type { TenantScope } from '@agentfs/access'
import { shareBytes } from '@agentfs/contracts'
import { type Extent, sameContentMac, type SecretKey } from '@agentfs/crypto'
import { RecentMap } from './recent-map.js'

const OPENED_BYTES_MAX = 32 * 1024 ** 2
const PART_BYTES_MAX = 64 * 1024
/** What a part takes beside its bytes. */
const ENTRY_BYTES = 500

interface OpenedPart {
  readonly mac: Uint8Array
  readonly bytes: Buffer
}

/** An opened part by its name; the key is held weakly, so that it and what it opened may go. */
interface Place {
  readonly name: string
  readonly key: WeakRef<SecretKey>
  readonly bytes: number
}

/**
 * Small parts as they were opened. What a key opened hangs on that key alone: once the vault has let go of it, at the end of
 * its lease or because it was erased, nobody can ask for the bytes any more, and they go with it [ENC-3].
 */
export class OpenedParts {
  readonly #opened = new WeakMap<SecretKey, Map<string, OpenedPart>>()
  readonly #recent = new RecentMap<Place>(
    OPENED_BYTES_MAX,
    ({ bytes }) => bytes + ENTRY_BYTES,
    ({ name, key }) => this.#partsOf(key.deref())?.delete(name),
  )

  /** The whole part behind an extent, where this very key opened it; for reading only, many share it. */
  get(scope: TenantScope, extent: Extent, key: SecretKey): Buffer | undefined {
    const name = nameOf(scope, extent.partId)
    const found = this.#opened.get(key)?.get(name)
    // Another manifest may claim another content for it.
    if (found === undefined || !sameContentMac(found.mac, extent.mac)) return undefined
    this.#recent.get(name)
    return found.bytes
  }

  /** Notes the bytes of a whole part, that were found to be what the extent's manifest says. */
  set(scope: TenantScope, extent: Extent, key: SecretKey, bytes: Buffer): void {
    if (bytes.length > PART_BYTES_MAX) return
    const name = nameOf(scope, extent.partId)
    this.#recent.set(name, { name, key: new WeakRef(key), bytes: bytes.length })
    const parts = this.#opened.get(key) ?? new Map<string, OpenedPart>()
    this.#opened.set(key, parts)
    // A copy: what was opened may be a slice of something larger, which would stay with it.
    parts.set(name, { mac: extent.mac, bytes: shareBytes(Buffer.from(Uint8Array.from(bytes).buffer)) })
  }

  #partsOf(key: SecretKey | undefined): Map<string, OpenedPart> | undefined {
    return key === undefined ? undefined : this.#opened.get(key)
  }
}

function nameOf({ tenantId }: TenantScope, partId: string): string {
  return `${tenantId}/${partId}`
}
