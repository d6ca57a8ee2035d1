import { AgentfsError, joinPath, parsePath } from '@agentfs/contracts'

/** What stands behind `/files/` in the URL as it was sent; null where the URL is of another form. */
const FILES = /^\/v1\/agents\/[^/]+\/files(?:\/(.*))?$/s

/**
 * The path of a file within the agent's home, from the raw URL. The router decodes `%2F` in a wildcard and would
 * make two segments of one name, so its parameter is never used.
 */
export function filePathOf(url: string): string {
  const match = FILES.exec(pathnameOf(url))
  if (match === null)
    throw invalid('write the path as /v1/agents/{agent}/files/{path}, percent-encoded by segment')
  const encoded = match[1] ?? ''
  if (encoded === '') return ''
  // Checked again as a whole: its length has a limit too.
  return checkedPath(joinPath(encoded.split('/').map(decodeSegment)))
}

/** A path given in a query or a body: as people write it, checked like one in a URL [FS-6]. */
export function checkedPath(path: string): string {
  return joinPath(parsePath(path))
}

/** The part of a request target before its query. */
export function pathnameOf(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

function decodeSegment(encoded: string): string {
  if (encoded === '') throw invalid('the path has an empty segment: `//`, or a slash at its end')
  let segment: string
  try {
    segment = decodeURIComponent(encoded)
  } catch {
    throw invalid('the path is not percent-encoded UTF-8; reach a name that is not UTF-8 by its node id')
  }
  if (segment.includes('/')) throw invalid("a name cannot hold '/', so %2F is refused")
  return parsePath(segment)[0] ?? ''
}

function invalid(detail: string): AgentfsError {
  return new AgentfsError('invalid_path', { detail })
}
