import type { FuseHandlers, NotifierConnection, WakeHandle } from '@agentfs/fuse'
import type { MessagePort } from 'node:worker_threads'
import type { ReferenceOptions } from './reference-filesystem.js'

/** How a server process is to mount and serve the reference filesystem. */
export interface ServeOptions extends ReferenceOptions {
  dir: string
  allowOther: boolean
  readOnly: boolean
  privileged?: boolean
  spinUs?: number
  /** Operations to leave unimplemented. */
  without: (keyof FuseHandlers)[]
}

/** What a test asks of the server: changes from elsewhere, notifications, delays. */
export type ServeCommand =
  /** Change a file's contents behind the kernel's back. */
  | { kind: 'write'; path: string; data: string }
  /** Swap what two names in the root stand for, behind the kernel's back. */
  | { kind: 'swap'; names: [string, string] }
  | { kind: 'inval-inode'; path: string; offset: number; length: number }
  | { kind: 'inval-entry'; name: string; expireOnly: boolean }
  | { kind: 'delete'; name: string }
  | { kind: 'store'; path: string; offset: number; data: string }
  | { kind: 'inc-epoch' }
  /** Keep the replies of an operation until it is released. */
  | { kind: 'hold'; operation: keyof FuseHandlers }
  | { kind: 'release'; operation: keyof FuseHandlers }
  /** Answer EINTR only when told: `hold` with a callback of its own. */
  | { kind: 'hold-uninterruptible'; operation: keyof FuseHandlers }
  | { kind: 'fail'; operation: keyof FuseHandlers }
  | { kind: 'counts' }
  | { kind: 'stop' }

/** What a test asks of the process around the session. */
export type ServeOrder = 'unmount' | 'detach' | 'force' | 'exit'

/** The answer to one command. */
export interface ServeAnswer {
  id: number
  refused: { index: number; code: string }[]
  counts: Record<string, number>
  /** Requests whose replies are kept now. */
  held: number
  writeSizes: number[]
  logged: string[]
  end?: string
}

export interface ServeThreadData {
  fd: number
  options: ServeOptions
  wake: WakeHandle
  port: MessagePort
  connection: NotifierConnection
}
