import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What the API measures of itself; labels are operations and statuses, never tenants or paths. */
export class ApiMetrics {
  readonly registry = new Registry()
  readonly #requests = new Counter({
    name: 'agentfs_http_requests_total',
    help: 'Answered requests',
    labelNames: ['operation', 'status'],
    registers: [this.registry],
  })
  readonly #seconds = new Histogram({
    name: 'agentfs_http_request_seconds',
    help: 'Time from request to answered',
    labelNames: ['operation'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  })
  readonly #feeds = new Gauge({
    name: 'agentfs_feeds_open',
    help: 'Feeds connected to this process',
    registers: [this.registry],
  })
  readonly #frames = new Counter({
    name: 'agentfs_feed_frames_total',
    help: 'Frames sent on feeds',
    labelNames: ['type'],
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  /** Counts and times one answer. */
  requestAnswered(operation: string, status: number, seconds: number): void {
    this.#requests.inc({ operation, status: String(status) })
    this.#seconds.observe({ operation }, seconds)
  }

  /** Counts one frame. */
  frameSent(type: string): void {
    this.#frames.inc({ type })
  }

  /** How many feeds are open now. */
  feedsOpen(count: number): void {
    this.#feeds.set(count)
  }
}
