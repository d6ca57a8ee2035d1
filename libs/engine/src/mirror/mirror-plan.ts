import { keyOfPath } from '@agentfs/document'
import type { Name } from '@agentfs/contracts'
import type { MirrorDocumentRow, MirrorNode } from '@agentfs/storage'

/** A document to write. */
export interface DocumentToWrite {
  readonly objectKey: string
  readonly names: readonly Name[]
  readonly node: MirrorNode
  /** A sidecar may stand beside what was there. */
  readonly sidecar: boolean
  /** It is not known that anything is under this key. */
  readonly isNew: boolean
}

/** What turns the documents of some nodes into what their files are now. */
export interface MirrorPlan {
  readonly remove: readonly MirrorDocumentRow[]
  readonly write: readonly DocumentToWrite[]
}

/** A file with its names, and what the mirror has of it. */
export interface MirrorFacts {
  readonly nodeIds: readonly string[]
  /** Living files among them. */
  readonly nodes: readonly MirrorNode[]
  readonly paths: ReadonlyMap<string, readonly (readonly Name[])[]>
  /** Documents of these nodes and under these paths. */
  readonly rows: readonly MirrorDocumentRow[]
}

/** One document for each name of each living file; the key tells the path, so key and version tell whether it is written. */
export function planMirror({ nodeIds, nodes, paths, rows }: MirrorFacts): MirrorPlan {
  const wanted = new Map<string, DocumentToWrite>()
  const there = new Map(rows.map((row) => [row.objectKey, row]))
  for (const node of nodes) {
    for (const names of paths.get(node.nodeId) ?? []) {
      const objectKey = keyOfPath(names)
      const row = there.get(objectKey)
      const sidecar = row !== undefined && (row.sidecar || row.writtenAt === null)
      wanted.set(objectKey, { objectKey, names, node, sidecar, isNew: (row?.writtenAt ?? null) === null })
    }
  }
  const asked = new Set(nodeIds)
  return {
    remove: rows.filter(({ objectKey, nodeId }) => asked.has(nodeId) && !wanted.has(objectKey)),
    write: [...wanted.values()].filter(({ objectKey, node }) => {
      const row = there.get(objectKey)
      return (
        (row?.writtenAt ?? null) === null || row?.nodeId !== node.nodeId || row.versionId !== node.headVersion
      )
    }),
  }
}
