import { createHash } from 'node:crypto'
import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common'
import { AgentfsError, type Route } from '@agentfs/contracts'
import type { Caller, Engine, IdempotencyApi } from '@agentfs/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { firstValueFrom, from, type Observable } from 'rxjs'
import { ENGINE } from '../engine-token.js'
import { announcedBytes, JSON_BYTES_MAX, readBody } from './request-body.js'

/**
 * `Idempotency-Key` on POST and PATCH: the first request's answer for every repetition within 24 hours, 422 for another request
 * under the same key. Not for pushes and contents, which are repeatable by their own digests; nor for token exchange,
 * where a kept token would be given out after its end; nor where nobody is signed in yet. It stands before the routes that
 * keep answers and before no others: each pays for every interceptor, whether that does anything or not.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  readonly #idempotency: IdempotencyApi

  constructor(@Inject(ENGINE) engine: Engine) {
    this.#idempotency = engine.idempotency
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    const key = request.headers['idempotency-key']
    if (key === undefined || request.caller === null) return next.handle()
    return from(this.#once(request.caller, checkedKey(key), request, http.getResponse<FastifyReply>(), next))
  }

  async #once(
    caller: Caller,
    key: string,
    request: FastifyRequest,
    reply: FastifyReply,
    next: CallHandler,
  ): Promise<unknown> {
    const begun = await this.#idempotency.begin(caller, key, await digestOf(request))
    if (begun.kind === 'kept') {
      reply.status(begun.answer.status).header('idempotency-replayed', 'true')
      return begun.answer.body
    }
    try {
      const body: unknown = await firstValueFrom(next.handle())
      await this.#idempotency.finish(caller, key, { status: reply.statusCode, body })
      return body
    } catch (error) {
      // Nothing was committed by a request that failed, so it may be sent again under its key.
      await this.#idempotency.abandon(caller, key)
      throw error
    }
  }
}

/** An append is a PATCH; every other PATCH, PUT and DELETE may be repeated as it is. */
const REPEATED = new Set(['POST', 'PATCH'])

/** True where the answers of a route are kept under the key of their request. */
export function keepsAnswers({ method, body, operation }: Route): boolean {
  return REPEATED.has(method) && body?.kind !== 'wire' && operation !== 'tokenExchange'
}

function checkedKey(key: string | string[]): string {
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new AgentfsError('invalid_request', { detail: 'an Idempotency-Key is 1 to 255 printable characters' })
}

/** What makes two requests the same: verb, target and bytes; of a body above 1 MiB, which is not held, its announced length. */
async function digestOf(request: FastifyRequest): Promise<Uint8Array> {
  const hash = createHash('sha256').update(`${request.method} ${request.raw.url}\n`)
  const announced = announcedBytes(request)
  const streamed = request.method === 'PATCH' && (announced === null || announced > JSON_BYTES_MAX)
  if (streamed) return hash.update(`streamed ${announced ?? 'chunks'}`).digest()
  return hash.update(await readBody(request, JSON_BYTES_MAX)).digest()
}
