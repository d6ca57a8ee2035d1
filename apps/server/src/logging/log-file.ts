import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

const BYTES_MAX = 10 * 1024 * 1024
/** A line for each request would be a call to the system for each request: lines wait this long for others. */
const WAIT_MS = 100
const WAITING_CHARACTERS_MAX = 64 * 1024

/**
 * A log file that is moved aside to `<name>.1` at 10 MiB, so that a service left alone does not fill the disk. Lines are written
 * some at a time, and when the process ends; kill -9 takes those of the last tenth of a second.
 */
export class LogFile {
  readonly #path: string
  #fd: number
  #bytes: number
  #waiting = ''
  #timer: NodeJS.Timeout | undefined
  readonly #onExit = (): void => this.#flush()

  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'a', 0o600)
    this.#bytes = fstatSync(this.#fd).size
    process.on('exit', this.#onExit)
  }

  /** Takes a line, to be appended soon. */
  write(line: string): void {
    this.#waiting += line
    if (this.#waiting.length >= WAITING_CHARACTERS_MAX) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), WAIT_MS).unref()
  }

  close(): void {
    this.#flush()
    process.off('exit', this.#onExit)
    closeSync(this.#fd)
  }

  /** A log that cannot be written must not stop the service. */
  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = this.#waiting
    this.#waiting = ''
    if (lines === '') return
    try {
      if (this.#bytes >= BYTES_MAX) this.#moveAside()
      this.#bytes += writeSync(this.#fd, lines)
    } catch {
      // A full disk: what matters shows on the terminal and in the metrics.
    }
  }

  #moveAside(): void {
    renameSync(this.#path, `${this.#path}.1`)
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a', 0o600)
    this.#bytes = 0
  }
}
