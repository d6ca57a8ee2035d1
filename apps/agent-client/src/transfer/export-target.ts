import type { Manifest, NodeLine, VersionLine } from './manifest.js'
import type { Content } from './version-contents.js'

/** What a target tells of a version that it holds. */
export type Placed = Pick<VersionLine, 'sha256' | 'file' | 'form' | 'missing'>

/** A content that is there. */
export type PresentContent = Exclude<Content, { kind: 'missing' }>

/** Where an export goes. Calls come in the order of the manifest, one at a time. */
export interface ExportTarget {
  /** What an earlier run left of a version, if anything. */
  placed(version: VersionLine): Placed | undefined
  directory(node: NodeLine): Promise<void>
  symlink(node: NodeLine): Promise<void>
  /** A file that never had content. */
  emptyFile(node: NodeLine): Promise<void>
  version(node: NodeLine, version: VersionLine, head: boolean, content: PresentContent): Promise<Placed>
  /** Further names of a file, whose head is in place. */
  links(node: NodeLine): Promise<void>
  finish(manifest: Manifest): Promise<void>
  /** Ends early, so that a later run can go on from here. */
  leave(): Promise<void>
}

/** All bytes of a content. */
export async function* bytesOf(content: PresentContent): AsyncGenerator<Uint8Array> {
  if (content.kind === 'whole') yield content.bytes
  else yield* content.pieces
}
