import type { Name } from '@agentfs/contracts'
import type { Attributes, DirectoryEntry, FilesystemStore, RejectedItem } from '@agentfs/sync'

/** The name of the virtual directory at the root of a mount; hidden from listings [FS-5]. */
export const VIRTUAL_NAME = '.agentfs'

// Above any inode number that a store gives out, below 2^53.
const BASE = 2 ** 52
const ROOT = BASE
const STATUS = BASE + 1
const REJECTED = BASE + 2
const REJECTED_FILES = BASE + 1_000

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
    const bytes = directory ? undefined : this.content(ino)
    if (!directory && bytes === undefined) return undefined
    const now = this.#store.now()
    return {
      ino,
      kind: directory ? 'directory' : 'file',
      mode: directory ? 0o555 : 0o444,
      uid: 0,
      gid: 0,
      mtime: now,
      ctime: now,
      size: bytes?.length ?? 0,
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

  /** The bytes of one of these files; undefined for one that is gone. */
  content(ino: number): Uint8Array | undefined {
    if (ino === STATUS) return json({ ...this.#store.status(), ...this.#describe() })
    const offset = ino - REJECTED_FILES
    const item = this.#store.rejectedItems().find((it) => it.id === Math.floor(offset / 2))
    if (offset < 0 || item === undefined) return undefined
    return offset % 2 === 1 ? json(item) : (this.#store.readRejected(item.id) ?? new Uint8Array())
  }
}

function rejectedName(item: RejectedItem): Name {
  const last = item.path.split('/').at(-1) ?? ''
  const plain = last.startsWith('\0') || last === '' ? 'unnamed' : last
  return `${item.id}-${plain}`.slice(0, 120)
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
}
