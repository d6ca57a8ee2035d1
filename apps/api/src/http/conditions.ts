import { AgentfsError, isUuid } from '@agentfs/contracts'

/** What a writer insists on [CON-6]; empty for nothing. */
export interface Insistence {
  /** The version that must be the head, or `*` for any existing file. */
  readonly ifMatch?: string
  readonly createOnly?: true
}

/** Reads If-Match and If-None-Match of a write. */
export function insistenceOf(headers: {
  readonly 'if-match'?: string | undefined
  readonly 'if-none-match'?: string | undefined
}): Insistence {
  const match = headers['if-match']?.trim()
  const noneMatch = headers['if-none-match']?.trim()
  if (match !== undefined && noneMatch !== undefined) refuse('give either If-Match or If-None-Match')
  if (noneMatch !== undefined) {
    return noneMatch === '*'
      ? { createOnly: true }
      : refuse('on a write If-None-Match can only be `*`, which creates')
  }
  if (match === undefined) return {}
  if (match === '*') return { ifMatch: '*' }
  if (match.startsWith('W/')) refuse('If-Match takes a strong tag: the version id in double quotes')
  return {
    ifMatch:
      versionOfTag(match) ?? refuse('If-Match takes one version id in double quotes, as ETag gives it'),
  }
}

/** True where the caller of a read already has this version: 304. */
export function hasVersion(ifNoneMatch: string | undefined, version: string | null): boolean {
  if (ifNoneMatch === undefined || version === null) return false
  if (ifNoneMatch.trim() === '*') return true
  return ifNoneMatch.split(',').some((tag) => versionOfTag(tag) === version)
}

/** The version id of one entity tag, null for anything else; on reads weak tags match as strong ones do. */
function versionOfTag(tag: string): string | null {
  const text = /^(?:W\/)?"([^"]*)"$/.exec(tag.trim())?.[1] ?? ''
  return isUuid(text) ? text : null
}

function refuse(detail: string): never {
  throw new AgentfsError('invalid_request', { detail })
}
