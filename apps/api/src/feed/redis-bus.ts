import type { Announcement } from '@agentfs/engine'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { AnnouncementBus } from './announcement-bus.js'
import { InProcessBus } from './in-process-bus.js'

/** One channel carries all: a message is 120 bytes, and a process drops what it has no feed for. */
const CHANNEL = 'agentfs:announcements'

const message = z.object({
  from: z.string(),
  tenantId: z.string(),
  agentId: z.string(),
  epoch: z.int(),
  seq: z.int(),
})

/**
 * The bus between processes, over Redis pub/sub. Feeds of the same process hear at once, without the way through
 * Redis; with Redis down the others hear from the heartbeat, within a second.
 */
export class RedisBus implements AnnouncementBus {
  readonly #local = new InProcessBus()
  readonly #from = crypto.randomUUID()
  readonly #publisher: Redis
  readonly #subscriber: Redis
  readonly subscribe = this.#local.subscribe.bind(this.#local)

  constructor(url: string, log: Logger) {
    // Announcements that could not be sent are not kept for later: by then the heartbeat has told.
    this.#publisher = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 })
    this.#subscriber = new Redis(url, { maxRetriesPerRequest: null })
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on('error', (error: Error) => log.warn({ err: error }, 'redis'))
    }
    this.#subscriber.on('message', (_channel: string, text: string) => this.#hear(text))
    this.#subscriber.subscribe(CHANNEL).catch((error: unknown) => log.warn({ err: error }, 'redis subscribe'))
  }

  publish(announcement: Announcement): void {
    this.#local.publish(announcement)
    this.#publisher
      .publish(CHANNEL, JSON.stringify({ from: this.#from, ...announcement }))
      .catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.#local.close()
    this.#publisher.disconnect()
    this.#subscriber.disconnect()
  }

  #hear(text: string): void {
    const parsed = message.safeParse(parseJson(text))
    if (!parsed.success || parsed.data.from === this.#from) return
    const { from: _, ...announcement } = parsed.data
    this.#local.publish(announcement)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
