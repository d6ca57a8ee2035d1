/** How waits between tries grow: doubling from `firstMs` to `mostMs`, each drawn at random from its upper half [SY-15]. */
export interface BackoffOptions {
  readonly firstMs: number
  readonly mostMs: number
  /** A number in [0, 1); injected so that tests repeat. */
  readonly random: () => number
}

/** Milliseconds until the next try, after so many failed ones (1 for the first). */
export function backoffMs(failures: number, options: BackoffOptions): number {
  const ceiling = Math.min(options.mostMs, options.firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(ceiling / 2 + (ceiling / 2) * options.random())
}

/** A wait that ends early when the signal says so. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
