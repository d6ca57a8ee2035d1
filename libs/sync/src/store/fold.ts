import { foldAttributes } from './fold-attributes.js'
import { FoldList } from './fold-list.js'
import { foldRenames } from './fold-renames.js'
import { foldBackups, foldSaves } from './fold-saves.js'
import { foldVanished } from './fold-vanished.js'
import type { JournalEntry } from './journal-entry.js'

/**
 * What waiting operations come to before they are first sent [SY-14]: saves become one `replace`, what was created and
 * removed again vanishes, renames and attribute changes join. Pure. The tree after the folded operations is the
 * tree after the given ones but for directories' times; entries keep their order and their numbers; nothing
 * moves past an fsync in its directory, but for a save whose neighbours are its own steps.
 */
export function foldEntries(entries: readonly JournalEntry[]): JournalEntry[] {
  const list = new FoldList(entries)
  foldSaves(list)
  foldBackups(list)
  foldVanished(list)
  foldRenames(list)
  foldAttributes(list)
  return list.entries()
}
