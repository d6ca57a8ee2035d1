import { PIECES_MAX, type JournalEntry, type LocalReplace, type Piece } from './journal-entry.js'
import { entryKeys, type FoldList } from './fold-list.js'

/**
 * create tmp, write tmp, …, replace(tmp -> notes.md): the replace takes over the content, what made the source goes [SY-11].
 * Only where all that ever happened to the source waits here too.
 */
export function foldSaves(list: FoldList): void {
  for (let place = 0; place < list.length; place++) {
    const entry = list.at(place)
    if (entry?.operation.op === 'replace') foldSave(list, place, entry, entry.operation)
  }
}

function foldSave(list: FoldList, place: number, entry: JournalEntry, replace: LocalReplace): void {
  const steps = list.naming(replace.source).filter((step) => step < place)
  const [first] = steps
  const created = first === undefined ? undefined : list.at(first)
  if (first === undefined || created?.operation.op !== 'create' || created.operation.node !== replace.source)
    return
  let pieces: Piece[] = []
  for (const step of steps) {
    const taken = stepPieces(list.at(step), replace.source, pieces)
    if (taken === undefined) return
    pieces = taken
  }
  if (pieces.length > PIECES_MAX) return
  if (passesBarrier(list, first, place, new Set(steps), replace.target)) return
  for (const step of steps) list.remove(step)
  list.replace(place, { ...entry, operation: { ...replace, inline: true }, pieces })
}

/** The pieces of the source's content after one more step; undefined where the step is none that folds. */
function stepPieces(
  step: JournalEntry | undefined,
  source: string,
  before: readonly Piece[],
): Piece[] | undefined {
  const operation = step?.operation
  switch (operation?.op) {
    case 'create':
    case 'setattr':
      return [...before]
    case 'rename':
      return operation.node === source && operation.expected === null && operation.flags === 'none'
        ? [...before]
        : undefined
    case 'write':
      // A hole would have to go on hiding the pieces before it.
      if (operation.holes !== undefined) return undefined
      return [...cutPieces(before, operation.limit), ...(step?.pieces ?? [])]
    case 'append':
      return [...before, ...(step?.pieces ?? [])]
    default:
      return undefined
  }
}

/** Pieces cut to a size, as a truncation between two writes cuts them. */
function cutPieces(pieces: readonly Piece[], size: number): Piece[] {
  return pieces
    .filter((piece) => piece.start < size)
    .map((piece) => ({ ...piece, length: Math.min(piece.length, size - piece.start) }))
}

/**
 * rename notes.md -> notes.md~, replace(new -> notes.md at ~), rename notes.md~ -> notes.md: the file never left its place.
 */
export function foldBackups(list: FoldList): void {
  for (let place = 0; place < list.length; place++) {
    const entry = list.at(place)
    if (entry?.operation.op === 'replace' && entry.operation.inline)
      foldBackup(list, place, entry, entry.operation)
  }
}

function foldBackup(list: FoldList, place: number, entry: JournalEntry, replace: LocalReplace): void {
  const steps = list.naming(replace.target)
  const at = steps.indexOf(place)
  const [awayPlace, backPlace] = [steps[at - 1], steps[at + 1]]
  if (awayPlace === undefined || backPlace === undefined) return
  const away = list.at(awayPlace)?.operation
  const back = list.at(backPlace)?.operation
  if (
    away?.op !== 'rename' ||
    back?.op !== 'rename' ||
    away.node !== replace.target ||
    back.node !== replace.target
  )
    return
  if (away.expected !== null || back.expected !== null || away.flags !== 'none' || back.flags !== 'none')
    return
  if (!sameName(away.from, back.to) || !sameName(away.to, back.from) || !sameName(away.to, replace.to)) return
  const own = new Set([awayPlace, place, backPlace])
  const names = new Set([`${away.from.parent}/${away.from.name}`, `${away.to.parent}/${away.to.name}`])
  if (list.someBetween(awayPlace, backPlace, own, (other) => entryKeys(other).some((key) => names.has(key))))
    return
  if (passesBarrier(list, awayPlace, backPlace, own, replace.target)) return
  list.remove(awayPlace)
  list.remove(backPlace)
  list.replace(place, { ...entry, operation: { ...replace, to: away.from } })
}

/** True where moving the steps to their end would pass an fsync that orders something else after them. */
function passesBarrier(
  list: FoldList,
  first: number,
  last: number,
  own: ReadonlySet<number>,
  target: string,
): boolean {
  const start = list.at(first)
  if (start === undefined) return true
  return list.someBetween(
    first,
    last,
    own,
    (other) =>
      other.group === start.group &&
      other.generation > start.generation &&
      !('node' in other.operation && other.operation.node === target),
  )
}

function sameName(one: { parent: string; name: string }, other: { parent: string; name: string }): boolean {
  return one.parent === other.parent && one.name === other.name
}
