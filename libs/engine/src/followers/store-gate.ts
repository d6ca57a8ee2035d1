const PAUSE_MS_MIN = 1_000
const PAUSE_MS_MAX = 30_000

/**
 * Keeps a store that fails from being tried for every stream: each attempt costs rows in Postgres. After a failure all
 * wait, twice as long each time, and then one tries; its success lets the others through.
 */
export class StoreGate {
  readonly #nowMs: () => number
  #pauseMs = 0
  #openAtMs = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** True where the caller may try now. */
  tryPass(): boolean {
    if (this.#pauseMs === 0) return true
    const nowMs = this.#nowMs()
    if (nowMs < this.#openAtMs) return false
    this.#openAtMs = nowMs + this.#pauseMs
    return true
  }

  succeeded(): void {
    this.#pauseMs = 0
  }

  failed(): void {
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, PAUSE_MS_MIN), PAUSE_MS_MAX)
    this.#openAtMs = this.#nowMs() + this.#pauseMs
  }
}
