import { createHash } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { uuidFromBytes } from '@agentfs/crypto'
import {
  abandonIdempotencyKey,
  claimIdempotencyKey,
  type Database,
  findStream,
  finishIdempotencyKey,
} from '@agentfs/storage'
import { sameBytes } from '../accounts/secrets.js'
import type { IdempotencyApi, KeptAnswer } from '../api/idempotency-api.js'
import type { Caller } from '../caller.js'
import type { KeyVault } from '../keys/key-vault.js'
import { openText, sealText } from '../keys/sealed-text.js'
import type { Clock } from '../ports.js'

const KEPT_MS = 24 * 60 * 60_000
/** After this a claim without an answer is taken to be abandoned: its process died. */
const ABANDONED_MS = 60_000
const RETRY_AFTER_SECONDS = 1

/** Answers kept for repeated requests; sealed, for some hold a secret that is shown once. */
export class Idempotency implements IdempotencyApi {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #clock: Clock

  constructor(database: Database, vault: KeyVault, clock: Clock) {
    this.#database = database
    this.#vault = vault
    this.#clock = clock
  }

  async begin(
    caller: Caller,
    key: string,
    digest: Uint8Array,
  ): Promise<{ readonly kind: 'fresh' } | { readonly kind: 'kept'; readonly answer: KeptAnswer }> {
    const { scope } = caller.principal
    const principal = principalName(caller)
    const now = this.#clock.now()
    const { found, keys } = await this.#database.withTenant(scope, async (tx) => {
      const standing = await claimIdempotencyKey(
        tx,
        { principal, key, digest },
        new Date(now),
        new Date(now - KEPT_MS),
        new Date(now - ABANDONED_MS),
      )
      const keyId = standing?.answerKeyId ?? null
      return { found: standing, keys: await this.#vault.load(tx, keyId === null ? [] : [keyId]) }
    })
    if (found === undefined) return { kind: 'fresh' }
    if (!sameBytes(found.requestDigest, digest)) {
      throw new AgentfsError('unprocessable', { detail: 'this Idempotency-Key was used for another request' })
    }
    const answerKey = keys.get(found.answerKeyId ?? '')
    if (found.status === null || found.answerSealed === null || answerKey === undefined) {
      throw new AgentfsError('rate_limited', {
        detail: 'the first request with this Idempotency-Key is still under way; try again',
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
    }
    const text = openText(scope.tenantId, answerKey, rowId(principal, key), found.answerSealed)
    return { kind: 'kept', answer: { status: found.status, body: JSON.parse(text) as unknown } }
  }

  async finish(caller: Caller, key: string, answer: KeptAnswer): Promise<void> {
    const { scope } = caller.principal
    const principal = principalName(caller)
    await this.#database.withTenant(scope, async (tx) => {
      const stream = await findStream(tx, scope.tenantId)
      const keys = await this.#vault.load(tx, stream === undefined ? [] : [stream.keyId])
      const [sealing] = keys.values()
      if (sealing === undefined) throw new AgentfsError('not_found', { detail: 'the tenant is gone' })
      const text = JSON.stringify(answer.body ?? null)
      const sealed = sealText(scope.tenantId, sealing, rowId(principal, key), text)
      const kept = { status: answer.status, sealed, keyId: sealing.keyId }
      await finishIdempotencyKey(tx, { principal, key }, kept)
    })
  }

  async abandon(caller: Caller, key: string): Promise<void> {
    const principal = principalName(caller)
    await this.#database.withTenant(caller.principal.scope, (tx) =>
      abandonIdempotencyKey(tx, { principal, key }),
    )
  }
}

function principalName(caller: Caller): string {
  const { actor } = caller.principal
  return `${actor.kind}/${actor.id}`
}

/** A stand-in for the row's id, which is a text: what is sealed for one key opens for no other. */
function rowId(principal: string, key: string): string {
  return uuidFromBytes(createHash('sha256').update(`${principal}\0${key}`).digest().subarray(0, 16))
}
