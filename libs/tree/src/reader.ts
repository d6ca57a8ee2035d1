import type { Name, NodeImage } from '@agentfs/contracts'

/** One name of a node. */
export type EntryKey = { readonly parent: string; readonly name: Name }

/**
 * The tree an operation is applied to. Synchronous: a caller whose tree lives elsewhere loads the working set first
 * and lets a method throw for what it has not loaded, then loads that and applies again (application is pure).
 */
export interface TreeReader {
  /** The node, deleted ones included; undefined where it never existed. */
  node(id: string): NodeImage | undefined
  /** The node that a name leads to. */
  entry(parent: string, name: Name): string | undefined
  /** All names of a node. */
  entriesOf(node: string): readonly EntryKey[]
  /** True where the directory has at least one entry. */
  hasChildren(directory: string): boolean
  /** The surviving node of an alias, or the id itself [SY-12]. */
  resolve(id: string): string
}
