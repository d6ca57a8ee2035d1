import { AgentfsError } from '@agentfs/contracts'
import type { z } from 'zod'

/** What a schema makes of a value; `invalid_request` naming each fault and where it is. Values are never echoed. */
export function validated<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.slice(0, FAULTS_MAX).map((issue) => ({
    at: [where, ...issue.path.map(String)].join('.'),
    message: issue.message,
  }))
  const first = faults[0]
  throw new AgentfsError('invalid_request', {
    detail: first === undefined ? 'the request is not valid' : `${first.at}: ${first.message}`,
    faults,
  })
}

const FAULTS_MAX = 20
