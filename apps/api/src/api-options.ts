import type { Engine } from '@agentfs/engine'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { SignupPolicy } from './accounts/signup-gate.js'
import type { TokenKeySet } from './auth/token-keys.js'
import type { AnnouncementBus } from './feed/announcement-bus.js'
import type { FeedPace } from './feed/feed-hub.js'
import type { RateLimits } from './http/rate-limits.js'

/** What an API process is composed of. Who makes the engine, the bus and the keys closes them. */
export interface ApiOptions {
  readonly engine: Engine
  /** The bus that the engine announces on. */
  readonly bus: AnnouncementBus
  readonly tokenKeys: TokenKeySet
  readonly log: Logger
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly signup: SignupPolicy
  /** How the service is reached from outside; else as the caller reached it. */
  readonly publicUrl?: string | null
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | null
  /** Whose X-Forwarded-* to believe: nobody's, everybody's, or those of a list of addresses and networks. */
  readonly trustProxy?: boolean | string
  /** Where `/metrics` listens; null for nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number } | null
  /** What others in this process measure, shown on the same page. */
  readonly moreMetrics?: readonly Registry[]
  /** The directory that holds agentfs-client.tgz. */
  readonly downloads?: { readonly directory: string } | null
  /** The directory of the built dashboard. */
  readonly dashboard?: { readonly directory: string } | null
  readonly rateLimits?: RateLimits
  readonly feedPace?: FeedPace
}
