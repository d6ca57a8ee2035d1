import {
  AgentfsError,
  type OperationResult,
  type PushAnswer,
  pushAnswer,
  type RecordedPush,
} from '@agentfs/contracts'
import { type ClientStoreRow, pushSaved, type Statement } from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'
import { openText, sealText } from '../keys/sealed-text.js'

/** The push a commit comes from [SY-8]. */
export interface CommitPush {
  readonly storeId: string
  readonly number: number
  /** SHA-256 of the body as sent. */
  readonly digest: Uint8Array
  readonly previous: Uint8Array | null
}

/** The answer kept for this very push; undefined where it is the store's next, `store_forked` where it is neither [SY-8]. */
export function keptAnswer(
  tenantId: string,
  push: CommitPush,
  store: ClientStoreRow | undefined,
  streamKey: UsableKey,
): PushAnswer | undefined {
  if (store !== undefined && Buffer.from(store.lastDigest).equals(push.digest)) {
    return pushAnswer.parse(JSON.parse(openText(tenantId, streamKey, push.storeId, store.answerSealed)))
  }
  const expected = store === undefined ? null : hex(store.lastDigest)
  const previous = push.previous === null ? null : hex(push.previous)
  if (push.number === (store?.lastNumber ?? 0) + 1 && previous === expected) return undefined
  throw new AgentfsError('store_forked', {
    detail: 'this store was copied or restored: its pushes do not follow what the service has of it',
    lastNumber: store?.lastNumber ?? 0,
    lastDigest: expected,
  })
}

/** The statements that keep a push's whole answer, for ever, in the transaction of its commit. */
export function answerKept(
  tenantId: string,
  at: { readonly agentId: string; readonly epoch: number },
  push: CommitPush,
  streamKey: UsableKey,
  outcome: {
    readonly [key in 'results' | 'commit' | 'receipt']: PushAnswer[key] | Readonly<PushAnswer[key]>
  },
  now: Date,
): Statement[] {
  const { storeId, number, digest } = push
  const answer = { digest: hex(digest), ...outcome }
  const answerSealed = sealText(tenantId, streamKey, storeId, JSON.stringify(answer))
  const seq = outcome.commit?.seq ?? null
  return pushSaved(tenantId, at.agentId, { storeId, number, digest, answerSealed, epoch: at.epoch, seq }, now)
}

/** What a record keeps of a push's results: how many there are, and those that are not plainly `applied`. */
export function recordedResults(
  results: readonly OperationResult[],
): Pick<RecordedPush, 'operations' | 'results'> {
  return {
    operations: results.length,
    results: results.flatMap((result, index) => (result.status === 'applied' ? [] : [{ index, result }])),
  }
}

/** The results that `recordedResults` kept. */
export function resultsOf({ operations, results }: RecordedPush): OperationResult[] {
  const all = Array.from({ length: operations }, (): OperationResult => ({ status: 'applied' }))
  for (const { index, result } of results) all[index] = result
  return all
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
