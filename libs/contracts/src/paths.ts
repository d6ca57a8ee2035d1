import { AgentfsError } from './errors.js'
import { assertName, type Name } from './names.js'

/** The longest path, in bytes (Linux PATH_MAX). */
export const PATH_BYTES_MAX = 4096

/**
 * The segments of a path within an agent's home: `notes/a.md` -> ['notes', 'a.md'], '' -> [] (the root).
 * One leading and one trailing slash are allowed; `.`, `..`, NUL and empty segments are refused [FS-6].
 */
export function parsePath(path: string): Name[] {
  // No character of a string has more than three bytes.
  if (path.length * 3 > PATH_BYTES_MAX && new TextEncoder().encode(path).length > PATH_BYTES_MAX) {
    throw new AgentfsError('invalid_path', { detail: `a path has more than ${PATH_BYTES_MAX} bytes` })
  }
  if (path.includes('\0')) throw new AgentfsError('invalid_path', { detail: 'a path holds a NUL byte' })
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  if (trimmed === '') return []
  const segments = trimmed.split('/')
  for (const segment of segments) assertName(segment)
  return segments
}

/** The path as people read it, from its segments. */
export function joinPath(segments: readonly Name[]): string {
  return segments.join('/')
}
