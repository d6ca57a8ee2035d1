import {
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  type PipeTransform,
  type Type,
} from '@nestjs/common'
import { AgentfsError, PUSH_BYTES_MAX } from '@agentfs/contracts'
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { filePathOf } from './raw-path.js'
import { JSON_BYTES_MAX, readBody } from './request-body.js'
import { validated } from './validation.js'
import { decodeWire, type WireFormat, wireFormatOf } from './wire.js'

const Request = createParamDecorator((_: unknown, context: ExecutionContext): FastifyRequest =>
  requestOf(context),
)

/** The caller's path behind `/files/`, decoded from the raw URL. */
export const FilePath = createParamDecorator((_: unknown, context: ExecutionContext): string =>
  filePathOf(requestOf(context).raw.url ?? ''),
)

/** The JSON body, read after the guards have let the caller in, checked by a schema. */
export function JsonBody(schema: z.ZodType): ParameterDecorator {
  return Request(jsonPipe(schema))
}

/** The query, checked by a schema. */
export function QueryOf(schema: z.ZodType): ParameterDecorator {
  return Request(queryPipe(schema))
}

/** A sync body with the bytes it came as, which its digest is taken over. */
export interface WireBodyOf<T> {
  readonly value: T
  readonly bytes: Buffer
  readonly format: WireFormat
}

/** The sync body, MessagePack or JSON, checked by a schema. */
export function WireBody(schema: z.ZodType, bytesMax: number = PUSH_BYTES_MAX): ParameterDecorator {
  return Request(wirePipe(schema, bytesMax))
}

function requestOf(context: ExecutionContext): FastifyRequest {
  return context.switchToHttp().getRequest<FastifyRequest>()
}

function jsonPipe(schema: z.ZodType): Type<PipeTransform> {
  return pipe(async (request) => {
    const type = request.headers['content-type']
    if (type !== undefined && wireFormatOf(type) !== 'json') {
      throw new AgentfsError('invalid_request', { detail: 'send the body as Content-Type: application/json' })
    }
    const body = await readBody(request, JSON_BYTES_MAX)
    return validated(schema, body.length === 0 ? {} : decodeJson(body), 'body')
  })
}

function decodeJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new AgentfsError('invalid_request', { detail: 'the body is not JSON' }, { cause: error })
  }
}

function queryPipe(schema: z.ZodType): Type<PipeTransform> {
  return pipe((request) => Promise.resolve(validated(schema, request.query, 'query')))
}

function wirePipe(schema: z.ZodType, bytesMax: number): Type<PipeTransform> {
  return pipe(async (request): Promise<WireBodyOf<unknown>> => {
    const format = wireFormatOf(request.headers['content-type'])
    if (format === null) {
      throw new AgentfsError('invalid_request', {
        detail: 'send the body as Content-Type: application/msgpack, or application/json',
      })
    }
    const bytes = await readBody(request, bytesMax)
    return { value: validated(schema, decodeWire(format, bytes), 'body'), bytes, format }
  })
}

function pipe(transform: (request: FastifyRequest) => Promise<unknown>): Type<PipeTransform> {
  @Injectable()
  class RequestPipe implements PipeTransform<FastifyRequest, Promise<unknown>> {
    transform(request: FastifyRequest): Promise<unknown> {
      return transform(request)
    }
  }
  return RequestPipe
}
