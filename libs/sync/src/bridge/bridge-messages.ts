import type { EngineStore } from '../store/engine-store.js'
import type { WireError } from '../store/store-error.js'
import type { BlockAddress, RejectedItem } from '../store/store-types.js'

/** A call of the engine's side. */
export interface BridgeCall {
  readonly kind: 'call'
  readonly id: number
  readonly method: keyof EngineStore
  readonly args: readonly unknown[]
}

/** An event as it crosses: errors are packed. */
export type WireEvent =
  | { readonly kind: 'journaled' }
  | { readonly kind: 'wanted' | 'provided'; readonly blocks: readonly BlockAddress[] }
  | { readonly kind: 'unavailable'; readonly blocks: readonly BlockAddress[]; readonly error: WireError }
  | { readonly kind: 'settled'; readonly through: number; readonly rejected: readonly RejectedItem[] }
  | { readonly kind: 'revoked' | 'reinstated' }

/** What the store's side sends: answers, in the order of the calls, and events. */
export type BridgeReply =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'event'; readonly event: WireEvent }

/** The methods that may be called from the other side; exhaustive, so that no message reaches anything else. */
export const BRIDGED = {
  address: true,
  status: true,
  beginSnapshot: true,
  addSnapshotRows: true,
  addSnapshotCommits: true,
  finishSnapshot: true,
  applyCommit: true,
  advance: true,
  setStored: true,
  freezePush: true,
  readPart: true,
  settlePush: true,
  rejectPush: true,
  rejectTorn: true,
  fork: true,
  provide: true,
  failBlocks: true,
  provideContents: true,
  uncached: true,
  revoke: true,
  reinstate: true,
  treeHash: true,
  journaledPaths: true,
  openInodes: true,
  maintain: true,
} as const satisfies Record<keyof EngineStore, true>
