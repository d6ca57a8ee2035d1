import { AgentfsError, isAgentfsError } from '@agentfs/contracts'

/** A segment that is not as it was written; names the object, the part of it and what is wrong there. */
export function segmentDamaged(object: string, place: string, problem: string): AgentfsError {
  const detail = `segment ${object} is damaged: ${place} ${problem}`
  return new AgentfsError('object_corrupt', { object, place, problem, detail })
}

/** Where and how an error of `segmentDamaged` says a segment is damaged; undefined for any other error. */
export function damageOf(error: unknown): { readonly place: string; readonly problem: string } | undefined {
  if (!isAgentfsError(error, 'object_corrupt')) return undefined
  const { place, problem } = error.details
  return typeof place === 'string' && typeof problem === 'string' ? { place, problem } : undefined
}
