import type { WriteReply } from '@agentfs/fuse'
import type { FilesystemStore } from '@agentfs/sync'
import { errnoOf } from './errno.js'

/** How long a writer waits while nothing goes up. */
const STALLED_MS = 30_000
/** What is kept of the journal for what is not content: names and attributes are taken while writers wait. */
const RESERVE_BYTES_MAX = 64 * 1_048_576
const RESERVE_SHARE = 16

/** A writer that waits: `write` lays its bytes into the journal, and throws what that throws. */
interface WaitingWrite {
  readonly ino: number
  readonly reply: WriteReply
  readonly bytes: number
  /** Written by the kernel out of a mapping: the program that wrote it there is long gone on. */
  readonly fromPageCache: boolean
  readonly write: () => void
}

/**
 * Slows writers down to what goes up, where they would fill the journal while the service takes what it has: the kernel's
 * call is answered once an acknowledgement made room. An interrupt ends the wait (EINTR), and so does an upload that stands
 * still [FS-4]: then, as offline, the journal's bound answers ENOSPC [VIS-4].
 */
export class BackPressure {
  readonly #store: FilesystemStore
  /** Has `look` called after so many milliseconds; this thread has no timers while it serves. */
  readonly #lookAfter: (ms: number) => void
  #waiting: WaitingWrite[] = []
  #online = false
  #frozen = false
  #progress = -1
  #looking = false

  constructor(store: FilesystemStore, lookAfter: (ms: number) => void) {
    this.#store = store
    this.#lookAfter = lookAfter
    store.listen(({ kind }) => {
      if (kind === 'settled') this.#admit()
      else if (kind === 'revoked') this.#refuse(this.#waiting.splice(0), 'EACCES')
    })
  }

  /** Whether the service can be reached now: whoever waits already waits on, whoever comes does not begin to. */
  setOnline(online: boolean): void {
    this.#online = online
  }

  /** True where a write of so many bytes is to wait. */
  mustWait(bytes: number): boolean {
    if (!this.#online || this.#frozen) return false
    return this.#waiting.length > 0 || !this.#hasRoom(bytes)
  }

  /** Keeps a write until there is room; its bytes must be its own. */
  wait(waiting: WaitingWrite): void {
    this.#waiting.push(waiting)
    if (this.#looking) return
    this.#looking = true
    this.#progress = this.#store.journalRoom().progress
    this.#lookAfter(STALLED_MS)
  }

  /** Looks whether anything went up since the last look; where nothing did, nobody waits any longer. */
  look(): void {
    this.#looking = false
    this.#waiting = this.#waiting.filter(({ reply }) => !reply.answered)
    const { progress } = this.#store.journalRoom()
    if (progress === this.#progress) for (const waiting of this.#waiting.splice(0)) answer(waiting)
    this.#progress = progress
    if (this.#waiting.length === 0) return
    this.#looking = true
    this.#lookAfter(STALLED_MS)
  }

  /** A file is cut to nothing: what waits for it came before that, and nothing would be left of it. */
  cutToNothing(ino: number): void {
    const cut = this.#waiting.filter((waiting) => waiting.ino === ino)
    if (cut.length === 0) return
    this.#waiting = this.#waiting.filter((waiting) => waiting.ino !== ino)
    for (const { reply, bytes } of cut) if (!reply.answered) reply.written(bytes)
  }

  /**
   * Nobody waits from here on, for the mount is being left. Who called is told that it takes no more changes; what comes from
   * a mapping would be lost unseen, and has its place in the journal if there is any.
   */
  freeze(): void {
    this.#frozen = true
    const waiting = this.#waiting.splice(0)
    for (const it of waiting) if (it.fromPageCache) answer(it)
    this.#refuse(waiting, 'EROFS')
  }

  #refuse(waiting: readonly WaitingWrite[], errno: 'EACCES' | 'EROFS'): void {
    for (const { reply } of waiting) if (!reply.answered) reply.error(errno)
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!next.reply.answered && !this.#hasRoom(next.bytes)) return
      this.#waiting.shift()
      answer(next)
    }
  }

  #hasRoom(bytes: number): boolean {
    const room = this.#store.journalRoom()
    // An empty journal takes whatever fits its bound: nothing would ever be acknowledged that makes more room.
    if (room.bytes === room.bytesMax) return true
    return room.bytes - bytes > Math.min(RESERVE_BYTES_MAX, room.bytesMax / RESERVE_SHARE)
  }
}

function answer({ reply, write }: WaitingWrite): void {
  if (reply.answered) return
  try {
    write()
  } catch (error) {
    reply.error(errnoOf(error))
  }
}
