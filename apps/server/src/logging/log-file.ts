import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

const BYTES_MAX = 10 * 1024 * 1024

/** A log file that is moved aside to `<name>.1` at 10 MiB, so that a service left alone does not fill the disk. */
export class LogFile {
  readonly #path: string
  #fd: number
  #bytes: number

  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'a', 0o600)
    this.#bytes = fstatSync(this.#fd).size
  }

  /** Appends a line. A log that cannot be written must not stop the service. */
  write(line: string): void {
    try {
      if (this.#bytes >= BYTES_MAX) this.#moveAside()
      this.#bytes += writeSync(this.#fd, line)
    } catch {
      // A full disk: what matters shows on the terminal and in the metrics.
    }
  }

  close(): void {
    closeSync(this.#fd)
  }

  #moveAside(): void {
    renameSync(this.#path, `${this.#path}.1`)
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a', 0o600)
    this.#bytes = 0
  }
}
