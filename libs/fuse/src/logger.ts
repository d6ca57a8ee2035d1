/** Where the library reports what it survives: handler exceptions, malformed requests. pino fits. */
export interface FuseLogger {
  error(details: Record<string, unknown>, message: string): void
  warn(details: Record<string, unknown>, message: string): void
}

/** A logger that says nothing. */
export const silentLogger: FuseLogger = {
  error: () => {},
  warn: () => {},
}
