import { nameToBytes } from '@agentfs/contracts'
import { NotificationBatch, type FuseSession, type NotifierClient } from '@agentfs/fuse'
import type { Invalidation } from '@agentfs/sync'

/**
 * Has the kernel forget [SY-17]. A notification waits in the kernel for requests about its node that are in flight, and all
 * behind it wait with it: so one whose node has a request outstanding here (a read that waits for the service, say) is sent
 * when that is answered, and the others at once, together.
 */
export function sendInvalidations(
  session: FuseSession,
  notifier: NotifierClient,
  invalidations: readonly Invalidation[],
): void {
  let together: NotificationBatch | undefined = new NotificationBatch()
  const batch = together
  for (const it of invalidations) {
    session.afterAnswers(it.kind === 'entry' ? it.parentIno : it.ino, () => {
      if (together !== undefined) {
        add(together, it)
        return
      }
      const late = new NotificationBatch()
      add(late, it)
      notifier.send(late, () => undefined)
    })
  }
  together = undefined
  if (batch.count > 0) notifier.send(batch, () => undefined)
}

function add(batch: NotificationBatch, it: Invalidation): void {
  if (it.kind === 'entry') batch.invalEntry(it.parentIno, nameToBytes(it.name))
  else if (it.kind === 'content') batch.invalInode(it.ino)
  else batch.invalInode(it.ino, -1)
}
