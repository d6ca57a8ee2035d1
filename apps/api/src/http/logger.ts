import type { LoggerService } from '@nestjs/common'
import type { Logger } from 'pino'

/** What Nest wants to say, in our log. Its start-up chatter is for those who debug. */
export class NestLog implements LoggerService {
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  log(message: unknown): void {
    this.#log.debug(String(message))
  }

  error(message: unknown): void {
    this.#log.error(String(message))
  }

  warn(message: unknown): void {
    this.#log.warn(String(message))
  }

  debug(message: unknown): void {
    this.#log.debug(String(message))
  }

  verbose(message: unknown): void {
    this.#log.trace(String(message))
  }
}
