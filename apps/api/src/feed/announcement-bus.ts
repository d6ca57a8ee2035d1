import type { Announcement, Announcer } from '@agentfs/engine'

/** Hears of commits of any process. Announcements may get lost, doubled or late; a heartbeat's head repairs that [SY-3]. */
export type AnnouncementListener = (announcement: Announcement) => void

/** What the engine announces on, and feeds listen to. */
export interface AnnouncementBus extends Announcer {
  /** Listens until the function it gives back is called. */
  subscribe(listener: AnnouncementListener): () => void
  close(): Promise<void>
}
