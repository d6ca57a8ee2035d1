/** How long the kernel may believe names and attributes while the feed tells it when to forget. */
const HEALTHY_MS = 3_600_000
/** The same while changes may go unheard [VIS-4]. */
const UNHEALTHY_MS = 1_000

/** The lifetime handed out with names and attributes, by the feed's health. */
export class Lifetimes {
  #healthy = false

  /** Milliseconds that the kernel may believe an answer. */
  get validMs(): number {
    return this.#healthy ? HEALTHY_MS : UNHEALTHY_MS
  }

  /** Sets the health of the feed. What was handed out before is the caller's to take back. */
  setHealthy(healthy: boolean): void {
    this.#healthy = healthy
  }
}
