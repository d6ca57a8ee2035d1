import type { NodeImage } from '@agentfs/contracts'
import type { BlobStore } from './blob-store.js'
import type { FileContent } from './file-content.js'
import { NO_BLOB } from './segments.js'
import type { Invalidation } from './store-types.js'

/** An inode whose node lost its last name, or its identity to another inode, while it was open: it lives on locally. */
export interface Orphan {
  image: NodeImage
  readonly content: FileContent
  /** Blobs that are kept for it. */
  readonly blobs: Set<number>
}

/** What a held inode shows, and what is to be told when it is let go [SY-17]. */
interface Held {
  count: number
  readonly image: NodeImage
  readonly content: FileContent
  readonly deferred: Map<string, Invalidation>
}

/** Open handles, held inodes, orphans: what exists only while this process lives. */
export class Handles {
  readonly #blobs: BlobStore
  readonly #opens = new Map<number, number>()
  readonly #orphans = new Map<number, Orphan>()
  readonly #held = new Map<number, Held>()

  constructor(blobs: BlobStore) {
    this.#blobs = blobs
  }

  open(ino: number): void {
    this.#opens.set(ino, (this.#opens.get(ino) ?? 0) + 1)
  }

  /** True while a handle is open. */
  isOpen(ino: number): boolean {
    return this.#opens.has(ino)
  }

  /** Ends one open; true with the last one. An orphan ends with it. */
  release(ino: number): boolean {
    const count = (this.#opens.get(ino) ?? 1) - 1
    if (count > 0) {
      this.#opens.set(ino, count)
      return false
    }
    this.#opens.delete(ino)
    const orphan = this.#orphans.get(ino)
    if (orphan !== undefined) {
      this.#orphans.delete(ino)
      for (const blob of orphan.blobs) this.#blobs.unhold(blob)
    }
    return true
  }

  orphan(ino: number): Orphan | undefined {
    return this.#orphans.get(ino)
  }

  /** Lets an open inode live on without its node. */
  makeOrphan(ino: number, image: NodeImage, content: FileContent): void {
    if (this.#orphans.has(ino)) return
    const blobs = new Set(content.segments.map((segment) => segment.blob).filter((blob) => blob !== NO_BLOB))
    for (const blob of blobs) this.#blobs.hold(blob)
    this.#orphans.set(ino, { image: { ...image, links: 0 }, content, blobs })
  }

  /** Keeps a blob that an orphan wrote until its last handle closes; nothing else names it. */
  keepForOrphan(orphan: Orphan, blob: number): void {
    orphan.blobs.add(blob)
    this.#blobs.hold(blob)
    this.#blobs.remove(blob)
  }

  held(ino: number): Held | undefined {
    return this.#held.get(ino)
  }

  hold(ino: number, image: NodeImage, content: FileContent): void {
    const held = this.#held.get(ino)
    if (held !== undefined) held.count++
    else this.#held.set(ino, { count: 1, image, content, deferred: new Map() })
  }

  /** Ends one hold; what was deferred comes with the last one. */
  unhold(ino: number): readonly Invalidation[] {
    const held = this.#held.get(ino)
    if (held === undefined || --held.count > 0) return []
    this.#held.delete(ino)
    return [...held.deferred.values()]
  }

  /** The invalidations to tell now; those of held inodes are kept back. */
  defer(invalidations: readonly Invalidation[]): Invalidation[] {
    return invalidations.filter((invalidation) => {
      if (invalidation.kind === 'entry') return true
      const held = this.#held.get(invalidation.ino)
      if (held === undefined) return true
      // A content invalidation covers the attributes.
      if (!held.deferred.has('content')) held.deferred.set(invalidation.kind, invalidation)
      if (invalidation.kind === 'content') held.deferred.delete('attributes')
      return false
    })
  }

  /** Versions that open files may still read. */
  *pinnedVersions(): Iterable<string> {
    for (const { content } of this.#orphans.values()) if (content.below !== null) yield content.below.version
    for (const { content } of this.#held.values()) if (content.below !== null) yield content.below.version
  }

  /** Inodes with open handles. */
  openInodes(): Iterable<number> {
    return this.#opens.keys()
  }
}
