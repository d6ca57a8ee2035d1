import { parsePath } from '@agentfs/contracts'

/** A path as it stands in a URL: percent-encoded by segment. */
export function encodePath(path: string): string {
  return parsePath(path).map(encodeURIComponent).join('/')
}
