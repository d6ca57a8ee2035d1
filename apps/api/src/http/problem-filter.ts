import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common'
import { AgentfsError, type ErrorCode, HTTP_STATUS } from '@agentfs/contracts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { problemOf, retryAfterSeconds } from './problem.js'

/** The one place that turns an error into an answer. What the caller should not see goes to the log alone. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    const reply = http.getResponse<FastifyReply>()
    const error = domainError(exception)
    if (HTTP_STATUS[error.code] >= 500) this.#log.error({ requestId: request.id, err: exception }, error.code)
    sendProblem(reply, error, request.id)
  }
}

/** Answers with the problem of an error, where nothing was answered yet. */
export function sendProblem(
  reply: FastifyReply,
  error: AgentfsError,
  requestId: string,
  status?: number,
): void {
  if (reply.sent || reply.raw.headersSent) {
    // Half a body has gone out: only a broken connection tells the caller that it is not the whole.
    reply.raw.destroy()
    return
  }
  const wait = retryAfterSeconds(error)
  if (wait !== null) reply.header('retry-after', String(wait))
  if (HTTP_STATUS[error.code] === 401) reply.header('www-authenticate', 'Bearer realm="agentfs"')
  // What described the body that never came.
  for (const name of ['content-length', 'etag', 'content-disposition', 'last-modified']) {
    reply.removeHeader(name)
  }
  const problem = problemOf(error, requestId)
  void reply
    .status(status ?? problem.status)
    .header('content-type', 'application/problem+json')
    .header('cache-control', 'no-store')
    .send(JSON.stringify({ ...problem, status: status ?? problem.status }))
}

/** The domain error behind anything thrown: by our code, by the framework, or by a mistake of ours. */
function domainError(exception: unknown): AgentfsError {
  if (exception instanceof AgentfsError) return exception
  const status = statusOf(exception)
  if (status === 404) {
    return new AgentfsError(
      'not_found',
      { detail: 'there is no such route; GET /docs lists them' },
      { cause: exception },
    )
  }
  const code =
    status === null ? 'internal' : (BY_STATUS[status] ?? (status < 500 ? 'invalid_request' : 'internal'))
  return new AgentfsError(code, {}, { cause: exception })
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  413: 'too_large',
  429: 'rate_limited',
  503: 'unavailable',
}

function statusOf(exception: unknown): number | null {
  if (exception instanceof HttpException) return exception.getStatus()
  if (!(exception instanceof Error) || !('statusCode' in exception)) return null
  return typeof exception.statusCode === 'number' ? exception.statusCode : null
}
