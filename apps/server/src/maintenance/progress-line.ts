/** A line on a terminal that is written over while work goes on. */
export interface ProgressLine {
  /** `done` of `total` as a bar, and words behind it. */
  show(done: number, total: number, text: string): void
  /** Takes the line away. */
  clear(): void
}

const BAR_WIDTH = 24
const REDRAW_MS_MIN = 100

/** A progress line on stderr; nothing where that is no terminal. */
export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  let shown = false
  let drawnAt = 0
  return {
    show(done, total, text) {
      const now = performance.now()
      if (!stream.isTTY || (now - drawnAt < REDRAW_MS_MIN && done < total)) return
      drawnAt = now
      shown = true
      const filled = total === 0 ? BAR_WIDTH : Math.floor((done / total) * BAR_WIDTH)
      const bar = `${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}`
      const line = `[${bar}] ${done}/${total} ${text}`
      stream.write(`\r\x1b[K${line.slice(0, Math.max(20, (stream.columns || 80) - 1))}`)
    },
    clear() {
      if (shown) stream.write('\r\x1b[K')
      shown = false
    },
  }
}
