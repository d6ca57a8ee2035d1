import { AgentfsError, TREE_DEPTH_MAX } from '@agentfs/contracts'

const ALTERNATIVES_MAX = 64

/**
 * A matcher of paths: `*` and `?` within a segment, `**` over any number of segments, `[a-z]` and `[!a-z]`, `{one,two}`. A
 * pattern without a slash matches the last name. Works in time pattern x path, whatever the pattern: it makes no regular
 * expression.
 */
export function globMatcher(pattern: string): (names: readonly string[]) => boolean {
  const alternatives = alternativesOf(pattern)
  return (names) =>
    alternatives.some((segments) =>
      segments.length === 1 && segments[0] !== '**'
        ? matchesSegment(segments[0] ?? '', names.at(-1) ?? '')
        : matchesPath(segments, names),
    )
}

/** How many levels below a directory the pattern can match at most: `*.md` one, `notes/*.md` two, `**` any. */
export function globDepth(pattern: string): number {
  const levels = alternativesOf(pattern).map((segments) =>
    segments.includes('**') ? TREE_DEPTH_MAX : segments.length,
  )
  return Math.min(Math.max(...levels), TREE_DEPTH_MAX)
}

function alternativesOf(pattern: string): string[][] {
  return expandBraces(pattern).map((text) => text.replace(/^\/+|\/+$/g, '').split('/'))
}

function matchesPath(pattern: readonly string[], names: readonly string[]): boolean {
  // reach[j]: the pattern so far matches the first j names.
  let reach = [true, ...names.map(() => false)]
  for (const segment of pattern) {
    const next = names.map(() => false)
    const row = [segment === '**' && reach[0] === true, ...next]
    for (let at = 1; at <= names.length; at++) {
      row[at] =
        segment === '**'
          ? reach[at] === true || row[at - 1] === true
          : reach[at - 1] === true && matchesSegment(segment, names[at - 1] ?? '')
    }
    reach = row
  }
  return reach[names.length] === true
}

/** Greedy with one point to come back to: a later `*` makes earlier ones final. */
function matchesSegment(pattern: string, name: string): boolean {
  const tokens = tokenise(pattern)
  const characters = Array.from(name)
  let token = 0
  let at = 0
  let star = -1
  let starAt = 0
  while (at < characters.length) {
    const current = tokens[token]
    if (current === '*') {
      star = token++
      starAt = at
    } else if (typeof current === 'function' && current(characters[at] ?? '')) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++starAt
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

type Token = '*' | ((character: string) => boolean)

function tokenise(pattern: string): Token[] {
  const tokens: Token[] = []
  const characters = Array.from(pattern)
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? ''
    if (character === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*')
    } else if (character === '?') tokens.push(() => true)
    else if (character === '[' && characters.indexOf(']', at + 2) > 0) {
      const end = characters.indexOf(']', at + 2)
      tokens.push(characterClass(characters.slice(at + 1, end)))
      at = end
    } else tokens.push((found) => found === character)
  }
  return tokens
}

function characterClass(characters: readonly string[]): Token {
  const negated = characters[0] === '!' || characters[0] === '^'
  const members = negated ? characters.slice(1) : characters
  return (found) => {
    let inside = false
    for (let at = 0; at < members.length; at++) {
      const from = members[at] ?? ''
      const to = members[at + 1] === '-' ? members[at + 2] : undefined
      if (to === undefined) inside ||= found === from
      else {
        inside ||= found >= from && found <= to
        at += 2
      }
    }
    return inside !== negated
  }
}

function expandBraces(pattern: string): string[] {
  let open = [pattern]
  for (;;) {
    const expanded = open.flatMap((text) => {
      const match = /\{([^{}]*)\}/.exec(text)
      if (match === null) return [text]
      const before = text.slice(0, match.index)
      const after = text.slice(match.index + match[0].length)
      return (match[1] ?? '').split(',').map((choice) => before + choice + after)
    })
    if (expanded.length > ALTERNATIVES_MAX) {
      throw new AgentfsError('invalid_request', {
        detail: `a glob has at most ${ALTERNATIVES_MAX} alternatives`,
      })
    }
    if (expanded.length === open.length && expanded.every((text, index) => text === open[index]))
      return expanded
    open = expanded
  }
}
