import { formatBytes } from '../terminal/format.js'
import type { Output } from '../terminal/output.js'

const SHOW_EVERY_MS = 100
const TELL_EVERY_MS = 1_000

/** Shows how far a transfer is: one line on a terminal, else one every 10 s, and one event a second with `--json`. */
export class TransferProgress {
  readonly #output: Output
  readonly #what: 'export' | 'import'
  readonly #events: boolean
  readonly #startedAt = performance.now()
  #shownAt = 0
  #toldAt = 0
  files = 0
  bytes = 0
  filesOf = 0
  bytesOf = 0

  /** `events`: whether stdout is free for them. */
  constructor(output: Output, what: 'export' | 'import', events: boolean) {
    this.#output = output
    this.#what = what
    this.#events = events
  }

  /** How much there is to do. */
  expect(files: number, bytes: number): void {
    this.filesOf = files
    this.bytesOf = bytes
  }

  /** So much more is done. */
  add(files: number, bytes: number): void {
    this.files += files
    this.bytes += bytes
    const now = performance.now()
    if (now - this.#shownAt >= SHOW_EVERY_MS) {
      this.#shownAt = now
      this.#output.transferred(this.#line(now))
    }
    if (this.#events && this.#output.json && !this.#output.quiet && now - this.#toldAt >= TELL_EVERY_MS) {
      this.#toldAt = now
      const { files: done, bytes: moved, filesOf, bytesOf } = this
      this.#output.row({ event: 'progress', files: done, filesOf, bytes: moved, bytesOf }, '')
    }
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000
  }

  #line(now: number): string {
    const seconds = Math.max(0.001, (now - this.#startedAt) / 1_000)
    const share =
      this.bytesOf > 0 ? this.bytes / this.bytesOf : this.filesOf > 0 ? this.files / this.filesOf : 0
    const left = share > 0.01 ? `, ${Math.ceil((seconds / share) * (1 - share))} s left` : ''
    const rate = `${formatBytes(Math.round(this.bytes / seconds))}/s`
    return `${this.#what} ${this.files}/${this.filesOf} files, ${formatBytes(this.bytes)} of ${formatBytes(this.bytesOf)}, ${rate}${left}`
  }
}
