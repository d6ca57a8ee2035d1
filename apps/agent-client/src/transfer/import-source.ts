import type { Name, NodeKind, TimeSpec } from '@agentfs/contracts'

/** A version of a file of a source. */
export interface SourceVersion {
  readonly size: number
  /** What the content must be, where the source tells. */
  readonly sha256?: string
  readonly at?: TimeSpec
  bytes(): AsyncIterable<Uint8Array>
}

/** A node of a source; parents come before what is in them. */
export interface SourceNode {
  readonly kind: NodeKind
  readonly names: readonly Name[]
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: TimeSpec
  readonly target?: string
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>
  /** Further names of the same file. */
  readonly links: readonly (readonly Name[])[]
  /** Oldest first; the last one becomes the head. */
  readonly versions: readonly SourceVersion[]
  /** Of a file that is brought as a deleted one. */
  readonly deleted?: true
}

/** Something that cannot be taken over, and why. */
export interface Trouble {
  readonly path: string
  readonly reason: string
}

/** What can be imported. */
export interface ImportSource {
  /** As people read it. */
  readonly name: string
  readonly nodes: readonly SourceNode[]
  /** Files that were deleted where the source is from; their folders need not be among the nodes. */
  readonly deleted: readonly SourceNode[]
  /** What of the source was left out. */
  readonly troubles: readonly Trouble[]
  close(): Promise<void>
}

/** A path for messages. */
export function shown(names: readonly Name[]): string {
  return names
    .map((name) => (name.startsWith('\0') ? Buffer.from(name.slice(1), 'base64').toString('utf8') : name))
    .join('/')
}

/** An instant as seconds and nanoseconds. */
export function timeOf(date: Date): TimeSpec {
  const ms = date.getTime()
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000) % 1_000_000_000]
}
