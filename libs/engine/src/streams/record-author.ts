import type { Principal, TenantScope } from '@agentfs/access'
import type { StreamRecord } from '@agentfs/contracts'
import { type Database, findKeys, findSubjectKeyId } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import { sealText } from '../keys/sealed-text.js'
import type { Clock } from '../ports.js'
import { RecentMap } from '../reads/recent-map.js'

/** The part of a record that says who acted. */
export interface AuthorDraft {
  readonly record: Pick<StreamRecord, 'actor' | 'keyId' | 'door' | 'address' | 'requestId'>
  readonly addressSealed: Uint8Array | null
}

const SUBJECT_TTL_MS = 60_000

/**
 * Makes the author's part of records. An address is personal: it is sealed under the key of the person behind the
 * credential first, so that erasing the person keeps the log valid [AUD-3].
 */
export class RecordAuthor {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #clock: Clock
  readonly #subjects = new RecentMap<{ key: UsableKey | null; readAtMs: number }>(1_000)
  /** One sealing serves all requests from one address: it is bound to the person, not to a record. */
  readonly #addresses = new RecentMap<Uint8Array>(10_000)

  constructor(database: Database, vault: KeyVault, clock: Clock) {
    this.#database = database
    this.#vault = vault
    this.#clock = clock
  }

  /** Who acts, for a record; an address is left out where no person's key can seal it. */
  async draft(caller: Caller): Promise<AuthorDraft> {
    const { principal, door, requestId, address } = caller
    const record = {
      actor: principal.actor,
      ...(principal.keyId === null ? {} : { keyId: principal.keyId }),
      door,
      requestId,
    }
    const subject = address === null ? null : await this.#subject(principal)
    if (address === null || subject === null) return { record, addressSealed: null }
    const addressSealed = this.#sealAddress(principal.scope, subject, address)
    return { record: { ...record, address: Buffer.from(addressSealed).toString('base64') }, addressSealed }
  }

  #sealAddress({ tenantId }: TenantScope, subject: UsableKey, address: string): Uint8Array {
    const name = `${subject.keyId}/${address}`
    const known = this.#addresses.get(name)
    if (known !== undefined) return known
    const sealed = sealText(tenantId, subject, subject.keyId, address)
    this.#addresses.set(name, sealed)
    return sealed
  }

  async #subject({ scope, actor, keyId }: Principal): Promise<UsableKey | null> {
    const name = `${scope.tenantId}/${actor.kind}/${actor.id}`
    const nowMs = this.#clock.now()
    const known = this.#subjects.get(name)
    if (known !== undefined && nowMs - known.readAtMs < SUBJECT_TTL_MS) return known.key
    const rows = await this.#database.withTenant(scope, async (tx) => {
      const userId = actor.kind === 'user' ? actor.id : null
      const subjectKeyId = await findSubjectKeyId(tx, userId, keyId)
      return subjectKeyId === undefined ? [] : findKeys(tx, [subjectKeyId])
    })
    const [key = null] = (await this.#vault.unwrap(scope, rows)).values()
    this.#subjects.set(name, { key, readAtMs: nowMs })
    return key
  }
}
