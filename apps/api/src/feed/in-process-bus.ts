import type { Announcement } from '@agentfs/engine'
import type { AnnouncementBus, AnnouncementListener } from './announcement-bus.js'

/** The bus where one process is the whole service. */
export class InProcessBus implements AnnouncementBus {
  readonly #listeners = new Set<AnnouncementListener>()

  publish(announcement: Announcement): void {
    for (const listener of this.#listeners) listener(announcement)
  }

  subscribe(listener: AnnouncementListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#listeners.clear()
    return Promise.resolve()
  }
}
