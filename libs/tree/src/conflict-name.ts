import { NAME_BYTES_MAX, nameBytes, type Name } from '@agentfs/contracts'

/**
 * The name of a conflict copy [CON-3]: `notes.md` -> `notes.conflict-<agent>-<number>.md`, with the first number that is free.
 * A stem too long for 255 bytes is cut at a character.
 */
export function conflictName(name: Name, agentName: string, taken: (name: Name) => boolean): Name {
  const raw = name.startsWith('\0')
  const dot = raw ? -1 : name.lastIndexOf('.')
  const stem = raw ? 'unnamed' : dot > 0 ? name.slice(0, dot) : name
  const extension = dot > 0 ? name.slice(dot) : ''
  for (let number = 1; ; number++) {
    const suffix = `.conflict-${agentName}-${number}${extension}`
    const candidate = fit(stem, suffix)
    if (!taken(candidate)) return candidate
  }
}

/** True where a name is one that a conflict copy gets. */
export function isConflictName(name: Name): boolean {
  // Asked of every name of a tree: the look for the word alone decides nearly all.
  return name.includes('conflict') && /(^conflict|\.conflict)-.+-\d+(\.[^.]*)?$/.test(name)
}

function fit(stem: string, suffix: string): Name {
  const characters = Array.from(stem)
  while (characters.length > 0 && nameBytes(characters.join('') + suffix) > NAME_BYTES_MAX) characters.pop()
  const name = characters.join('') + suffix
  return nameBytes(name) <= NAME_BYTES_MAX ? name : `conflict${suffix.slice(0, 200)}`
}
