import type { NotifierConnection, WakeHandle } from '@agentfs/fuse'
import type { EngineState, Invalidation } from '@agentfs/sync'
import type { MessagePort } from 'node:worker_threads'
import type { MountView } from './core.js'

/** What the filesystem thread is started with. */
export interface ThreadStart {
  /** The folder of the client store. */
  readonly storeFolder: string
  readonly agent: string
  readonly agentName: string
  /** The engine's side of the store. */
  readonly storePort: MessagePort
  readonly wake: WakeHandle
  readonly view: MountView
  readonly cacheBytesMax?: number
  readonly journalBytesMax?: number
}

/** From the main thread to the filesystem thread, on its own port. */
export type ToThread =
  /** Look at the store's port; sent only while the thread still runs its event loop. */
  | { readonly kind: 'look' }
  /** Serve this descriptor: from here on the thread blocks on it. */
  | {
      readonly kind: 'serve'
      readonly fd: number
      readonly notifier: NotifierConnection
      readonly rootIno: number
    }
  /** Which inode a path has; answered by `found`. */
  | { readonly kind: 'find'; readonly path: readonly string[] }
  /** The feed's health changed. */
  | { readonly kind: 'health'; readonly healthy: boolean; readonly state: EngineState }
  /** The time that `look-after` asked for is over. */
  | { readonly kind: 'look-at-writers' }
  /** The kernel must forget these; sent from the thread that knows which requests are outstanding. */
  | { readonly kind: 'invalidate'; readonly invalidations: readonly Invalidation[] }
  /** Names and open files must be asked for anew: the feed fell silent [VIS-4]. */
  | { readonly kind: 'forget-all' }
  /** No more changes are taken: everything that writes answers EROFS. */
  | { readonly kind: 'freeze' }
  /** Stop serving, whoever still has files open: a thread that blocks in the kernel cannot be ended from outside. */
  | { readonly kind: 'stop' }

/** From the filesystem thread to the main thread. */
export type FromThread =
  | { readonly kind: 'opened' }
  | { readonly kind: 'open-failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'found'; readonly ino: number | null }
  /** Writers wait: `look-at-writers` is wanted after so many milliseconds. */
  | { readonly kind: 'look-after'; readonly ms: number }
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'log'; readonly level: 'warn' | 'error'; readonly message: string }
