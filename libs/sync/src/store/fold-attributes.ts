import type { OperationOf } from '@agentfs/contracts'
import type { JournalEntry } from './journal-entry.js'
import { sameGeneration, type FoldList } from './fold-list.js'

/** chmod, chown and utimens right after a creation, a write or each other go into what they follow. */
export function foldAttributes(list: FoldList): void {
  for (let place = 0; place < list.length; place++) {
    const entry = list.at(place)
    if (entry?.operation.op === 'setattr') foldAttribute(list, place, entry, entry.operation)
  }
}

function foldAttribute(
  list: FoldList,
  place: number,
  entry: JournalEntry,
  change: OperationOf<'setattr'>,
): void {
  const { mtime, op: _op, node, ...rights } = change
  const earlier = list.naming(node).filter((step) => step < place)
  let written: number | undefined
  for (let step = earlier.pop(); step !== undefined; step = earlier.pop()) {
    const before = list.at(step)
    const operation = before?.operation
    if (before === undefined || operation === undefined || !sameGeneration(before, entry)) return
    if (operation.op === 'write' || operation.op === 'append') {
      written ??= step
      continue
    }
    // A directory's time also changes with what happens inside: only the newest counts, at its place.
    if (operation.op !== 'setattr' && !(operation.op === 'create' && operation.node === node)) return
    if (operation.op === 'create' && operation.kind === 'directory' && mtime !== undefined) return
    const own = mtime === undefined || written !== undefined ? rights : { ...rights, mtime }
    list.replace(step, { ...before, operation: { ...operation, ...own } })
    const last = written === undefined ? undefined : list.at(written)
    if (written !== undefined && last !== undefined && mtime !== undefined)
      setTime(list, written, last, mtime)
    list.remove(place)
    return
  }
}

function setTime(list: FoldList, place: number, entry: JournalEntry, mtime: [number, number]): void {
  const { operation } = entry
  if (operation.op === 'write' || operation.op === 'append') {
    list.replace(place, { ...entry, operation: { ...operation, mtime } })
  }
}
