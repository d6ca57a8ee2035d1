import type { OperationOf, TimeSpec } from '@agentfs/contracts'
import type { StructureOperation } from '@agentfs/tree'

/** Bytes of a file from `start` on that a content operation wrote, standing in a blob of their own. */
export interface Piece {
  readonly blob: number
  readonly start: number
  /** Bytes that count; a cut may leave fewer than the blob holds. */
  readonly length: number
}

/** A run of zeros in a file, for which nothing is kept. */
export interface Hole {
  readonly start: number
  readonly end: number
}

/**
 * New content over a base: `limit` is how much of the base may still show, everything else is pieces or zeros. `holes` lie
 * over the base and under the pieces.
 */
export interface LocalWrite {
  readonly op: 'write'
  readonly node: string
  readonly base: string | null
  readonly baseSize: number
  readonly version: string
  readonly limit: number
  readonly size: number
  readonly mtime: TimeSpec
  readonly holes?: readonly Hole[]
}

/** Bytes at the end; `assumed` is the version that was the head here, for showing it meanwhile. */
export interface LocalAppend {
  readonly op: 'append'
  readonly node: string
  readonly assumed: string | null
  readonly assumedSize: number
  readonly version: string
  readonly size: number
  readonly mtime: TimeSpec
}

/**
 * Save by rename [SY-11]. While `inline` is false the content is the source's version; folding the source's own
 * operations in makes it pieces of this entry, over nothing.
 */
export interface LocalReplace {
  readonly op: 'replace'
  readonly source: string
  readonly from: OperationOf<'replace'>['from']
  readonly target: string
  readonly to: OperationOf<'replace'>['to']
  readonly base: string | null
  readonly version: string
  readonly sourceVersion: string | null
  readonly inline: boolean
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: TimeSpec
}

/** Operations that make a version, as journaled. */
export type LocalContent = LocalWrite | LocalAppend | LocalReplace
/** An operation as journaled: structure as on the wire, content with its bytes in pieces. */
export type LocalOperation = StructureOperation | LocalContent

/** One entry of the journal. Immutable; a change is another object under the same `seq`. */
export interface JournalEntry {
  readonly seq: number
  /** 0 while it waits, else the number of the push that carries it. */
  readonly push: number
  readonly operation: LocalOperation
  readonly pieces: readonly Piece[]
  /** The inode number that the operation gives to its node (create, symlink, replace). */
  readonly ino?: number
  readonly time: TimeSpec
  /** The directory whose fsyncs order it, and how many there had been [SY-7]. */
  readonly group: string
  readonly generation: number
}

/** True for entries that make a version. */
export function isLocalContent(operation: LocalOperation): operation is LocalContent {
  return operation.op === 'write' || operation.op === 'append' || operation.op === 'replace'
}

/** All node ids an operation names. */
export function namedNodes(operation: LocalOperation): string[] {
  switch (operation.op) {
    case 'create':
    case 'symlink':
    case 'link':
    case 'unlink':
    case 'rmdir':
      return [operation.node, operation.parent]
    case 'rename':
      return [
        operation.node,
        operation.from.parent,
        operation.to.parent,
        ...(operation.expected === null ? [] : [operation.expected]),
      ]
    case 'replace':
      return [operation.source, operation.target, operation.from.parent, operation.to.parent]
    default:
      return [operation.node]
  }
}

/** How many pieces an entry may have: each is an extent on the wire, and is looked at with each write into the entry. */
export const PIECES_MAX = 8_192

/** Bytes that an operation itself carries, beyond names and ids. */
export function operationBytes(operation: LocalOperation): number {
  if (operation.op === 'setxattr') return operation.value.length
  return operation.op === 'symlink' ? operation.target.length : 0
}

/** Bytes of content an entry carries. */
export function entryBytes(entry: JournalEntry): number {
  let bytes = 0
  for (const piece of entry.pieces) bytes += piece.length
  return bytes
}
