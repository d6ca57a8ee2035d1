import type { DirectoryEntry } from '@agentfs/sync'
import type { VirtualFile } from './virtual-files.js'

/** An open file. `settledThrough`: journal entries up to it are known to be settled. */
export type FileHandle = {
  readonly kind: 'file'
  readonly ino: number
  readonly append: boolean
  readonly writable: boolean
}
/** An open directory, with its listing as of the last time it was read from the start. */
export type DirectoryHandle = {
  readonly kind: 'directory'
  readonly ino: number
  listing: readonly DirectoryEntry[]
}
/** An open virtual file: what it said when it was opened. */
type VirtualHandle = { readonly kind: 'virtual'; readonly file: VirtualFile }
/** Anything open. */
export type Handle = FileHandle | DirectoryHandle | VirtualHandle

/** Open handles by number. */
export class HandleTable {
  readonly #handles = new Map<number, Handle>()
  readonly #opensByIno = new Map<number, number>()
  #next = 1

  /** Keeps a handle and gives its number. */
  add(handle: Handle): number {
    const fh = this.#next++
    this.#handles.set(fh, handle)
    if (handle.kind === 'file') this.#opensByIno.set(handle.ino, (this.#opensByIno.get(handle.ino) ?? 0) + 1)
    return fh
  }

  /** The handle of a number; undefined for one that was released. */
  get(fh: number): Handle | undefined {
    return this.#handles.get(fh)
  }

  /** Forgets a handle. */
  remove(fh: number): Handle | undefined {
    const handle = this.#handles.get(fh)
    this.#handles.delete(fh)
    if (handle?.kind === 'file') {
      const opens = (this.#opensByIno.get(handle.ino) ?? 1) - 1
      if (opens === 0) this.#opensByIno.delete(handle.ino)
      else this.#opensByIno.set(handle.ino, opens)
    }
    return handle
  }

  /** Inodes with an open file: what the kernel must forget by itself when the feed falls silent [VIS-4]. */
  openInodes(): readonly number[] {
    return [...this.#opensByIno.keys()]
  }
}
