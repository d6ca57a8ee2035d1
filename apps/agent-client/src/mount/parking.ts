import type { ErrnoName, FuseReply } from '@agentfs/fuse'
import type { BlockAddress, FilesystemStore, RejectedItem, StoreEvent } from '@agentfs/sync'
import { errnoOf } from './errno.js'

type Parked = { readonly reply: FuseReply; readonly retry: () => void }

/** Requests that wait for the service: reads for blocks, closes for an acknowledgement. An interrupt answers EINTR. */
export class Parking {
  readonly #store: FilesystemStore
  readonly #reads = new Map<string, Parked[]>()
  #closes: {
    readonly through: number
    readonly reply: FuseReply
    readonly node: string
    readonly done: () => void
  }[] = []

  constructor(store: FilesystemStore) {
    this.#store = store
    store.listen((event) => this.#onEvent(event))
  }

  /** Keeps a read until one of its missing blocks came, then tries it again. */
  parkRead(blocks: readonly BlockAddress[], reply: FuseReply, retry: () => void): void {
    const first = blocks[0]
    if (first === undefined) throw new Error('a read misses no block, and has no bytes')
    const key = keyOf(first)
    const waiting = this.#reads.get(key)
    if (waiting === undefined) this.#reads.set(key, [{ reply, retry }])
    else waiting.push({ reply, retry })
    this.#store.want(blocks)
  }

  /** Keeps a close or fsync until the service answered for all that was journaled up to `through` [DUR-3]. */
  parkClose(through: number, node: string, reply: FuseReply, done: () => void): void {
    this.#closes.push({ through, node, reply, done })
  }

  #onEvent(event: StoreEvent): void {
    switch (event.kind) {
      case 'provided':
        for (const parked of this.#take(event.blocks)) if (!parked.reply.answered) parked.retry()
        return
      case 'unavailable':
        for (const { reply } of this.#take(event.blocks)) reply.error(errnoOf(event.error))
        return
      case 'settled':
        this.#settle(event.through, event.rejected)
        return
      case 'revoked':
        for (const { reply } of [...this.#reads.values()].flat()) reply.error('EACCES')
        this.#reads.clear()
        // Journaled, and not to be acknowledged by this key: the next one pushes it.
        for (const { reply } of this.#closes) if (!reply.answered) reply.error('EACCES')
        this.#closes = []
        break
      case 'reinstated':
      case 'journaled':
      case 'wanted':
    }
  }

  #take(blocks: readonly BlockAddress[]): Parked[] {
    return blocks.flatMap((block) => {
      const key = keyOf(block)
      const parked = this.#reads.get(key) ?? []
      this.#reads.delete(key)
      return parked
    })
  }

  #settle(through: number, rejected: readonly RejectedItem[]): void {
    const settled = this.#closes.filter((it) => it.through <= through)
    this.#closes = this.#closes.filter((it) => it.through > through && !it.reply.answered)
    for (const { reply, node, done } of settled) {
      const refusal = rejected.find((it) => it.node === node)
      if (refusal === undefined) done()
      else reply.error(refusalErrno(refusal.code))
    }
  }
}

function keyOf({ node, version, block }: BlockAddress): string {
  return `${node}/${version}/${block}`
}

function refusalErrno(code: string): ErrnoName {
  const known: Record<string, ErrnoName> = {
    quota_exceeded: 'EDQUOT',
    too_large: 'EFBIG',
    forbidden: 'EACCES',
    already_exists: 'EEXIST',
    version_conflict: 'ESTALE',
    not_found: 'ENOENT',
  }
  return known[code] ?? 'EIO'
}
