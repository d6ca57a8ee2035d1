import { nameToBytes } from '@agentfs/contracts'
import type { NotificationBatch } from '@agentfs/fuse'
import type { Invalidation } from '@agentfs/sync'

/** Turns what the store says the kernel must forget into notifications [SY-17]. */
export function addInvalidations(batch: NotificationBatch, invalidations: readonly Invalidation[]): void {
  for (const it of invalidations) {
    if (it.kind === 'entry') batch.invalEntry(it.parentIno, nameToBytes(it.name))
    else if (it.kind === 'content') batch.invalInode(it.ino)
    else batch.invalInode(it.ino, -1)
  }
}
