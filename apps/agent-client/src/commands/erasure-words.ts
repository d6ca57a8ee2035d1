import type { Erasure } from '@agentfs/contracts'

/** What is still to follow of an erasure, for people. */
export function whatFollows({ ledger, keysShared }: Erasure): string {
  const words = [
    ...(ledger === 'pending'
      ? ['erased; the object store does not answer now, its copy of the tombstones follows by itself']
      : []),
    ...(keysShared > 0
      ? [
          'another file shares some of its bytes (a conflict copy, say) and keeps them: erase that file too to erase those bytes',
        ]
      : []),
  ]
  return words.join('; ')
}
