import { AgentfsError, type Name } from '@agentfs/contracts'
import type { Attributes, DirectoryEntry, FilesystemStore, RejectedItem } from '@agentfs/sync'

/** The name of the virtual directory at the root of a mount; hidden from listings [FS-5]. */
export const VIRTUAL_NAME = '.agentfs'

// Above any inode number that a store gives out, below 2^53.
const BASE = 2 ** 52
const ROOT = BASE
const STATUS = BASE + 1
const REJECTED = BASE + 2
const REJECTED_FILES = BASE + 1_000

// 255 bytes of a name, less an id and `.reason.json`.
const REJECTED_NAME_BYTES_MAX = 220

/** A file that is made when it is opened. */
export interface VirtualFile {
  readonly size: number
  /** Bytes at an offset, fewer at the end; throws where they are not to be had. */
  read(offset: number, length: number): Uint8Array
}

/** `.agentfs/`: status, and what the service refused with its bytes [DUR-5, FS-5]. Read-only, made when looked at. */
export class VirtualFiles {
  readonly #store: FilesystemStore
  readonly #describe: () => Record<string, unknown>

  constructor(store: FilesystemStore, describe: () => Record<string, unknown>) {
    this.#store = store
    this.#describe = describe
  }

  /** True for the inodes of this directory. */
  owns(ino: number): boolean {
    return ino >= BASE
  }

  /** What a name leads to; `parent` is the mount's root or one of these inodes. */
  lookup(parent: number, name: Name): Attributes | undefined {
    if (!this.owns(parent)) return name === VIRTUAL_NAME ? this.attributes(ROOT) : undefined
    const entry = this.list(parent).find((it) => it.name === name)
    return entry === undefined ? undefined : this.attributes(entry.ino)
  }

  /** Attributes of one of these inodes; undefined for one that is gone. */
  attributes(ino: number): Attributes | undefined {
    const directory = ino === ROOT || ino === REJECTED
    const file = directory ? undefined : this.open(ino)
    if (!directory && file === undefined) return undefined
    const now = this.#store.now()
    return {
      ino,
      kind: directory ? 'directory' : 'file',
      mode: directory ? 0o555 : 0o444,
      uid: 0,
      gid: 0,
      mtime: now,
      ctime: now,
      size: file?.size ?? 0,
      links: directory ? 2 : 1,
    }
  }

  /** The names in one of these directories. */
  list(ino: number): DirectoryEntry[] {
    if (ino === ROOT) {
      return [
        { name: 'status', ino: STATUS, kind: 'file' },
        { name: 'rejected', ino: REJECTED, kind: 'directory' },
      ]
    }
    if (ino !== REJECTED) return []
    return this.#store.rejectedItems().flatMap((item) => [
      { name: rejectedName(item), ino: REJECTED_FILES + item.id * 2, kind: 'file' as const },
      {
        name: `${rejectedName(item)}.reason.json`,
        ino: REJECTED_FILES + item.id * 2 + 1,
        kind: 'file' as const,
      },
    ])
  }

  /** One of these files as it is now; undefined for one that is gone. */
  open(ino: number): VirtualFile | undefined {
    if (ino === STATUS) return fileOf(json({ ...this.#store.status(), ...this.#describe() }))
    const offset = ino - REJECTED_FILES
    const item = this.#store.rejectedItems().find((it) => it.id === Math.floor(offset / 2))
    if (offset < 0 || item === undefined) return undefined
    return offset % 2 === 1 ? fileOf(json(item)) : this.#rejectedFile(item)
  }

  /** What was refused may be larger than memory: it is read piece by piece. */
  #rejectedFile({ id, size }: RejectedItem): VirtualFile {
    return {
      size,
      read: (offset, length) => {
        if (offset >= size) return new Uint8Array()
        const bytes = this.#store.readRejected(id, offset, Math.min(length, size - offset))
        if (bytes !== undefined) return bytes
        // Never an empty file in the place of bytes that this machine does not have [DUR-7].
        throw new AgentfsError('unavailable', { detail: 'what it was based on is not on this machine' })
      },
    }
  }
}

function fileOf(bytes: Uint8Array): VirtualFile {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }
}

/** The name as it was, as far as it fits. */
function rejectedName(item: RejectedItem): Name {
  const last = item.path.split('/').at(-1) ?? ''
  const plain = last.startsWith('\0') || last === '' ? 'unnamed' : last
  const bytes = new TextEncoder().encode(plain).subarray(0, REJECTED_NAME_BYTES_MAX)
  // As a stream: a character that is cut in two is left out.
  return `${item.id}-${new TextDecoder().decode(bytes, { stream: true })}`
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
}
