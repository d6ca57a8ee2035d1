import { EmbeddedPostgresError } from './postgres/index.js'

/** Something that the operator can put right; the message says what is wrong, the remedy what to do. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  readonly remedy: string

  constructor(message: string, options: { readonly remedy: string; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.remedy = options.remedy
  }
}

/** An error as an operator should read it: what went wrong, why, and what to do. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Its message says all, with what to do.
  if (error instanceof EmbeddedPostgresError) return error.message
  const remedy = error instanceof OperatorError ? `\n${error.remedy}` : ''
  const detail = detailOf(error)
  const why = error.cause instanceof Error ? `: ${explain(error.cause)}` : ''
  return `${detail ?? error.message}${why}${remedy}`
}

/** Domain errors keep their words for people among their details. */
function detailOf(error: Error): string | undefined {
  const details: unknown = 'details' in error ? error.details : undefined
  if (typeof details !== 'object' || details === null || !('detail' in details)) return undefined
  return typeof details.detail === 'string' ? details.detail : undefined
}
