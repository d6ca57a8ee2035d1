import type { ExportTarget } from './export-target.js'
import type { Manifest, ManifestNode, VersionLine } from './manifest.js'
import type { TransferProgress } from './transfer-progress.js'
import type { VersionContents } from './version-contents.js'

/** What an export did. */
export interface Exported {
  readonly nodes: number
  readonly files: number
  /** Files that are deleted and can be restored. */
  readonly deleted: number
  readonly versions: number
  readonly bytes: number
  /** Versions that an earlier run had brought already. */
  readonly resumed: number
  /** Contents that could not be had, each with its reason. */
  readonly missing: readonly { readonly path: string; readonly number: number; readonly reason: string }[]
}

/** Brings all that a plan names to a target, then the manifest. */
export async function runExport(
  plan: Manifest,
  target: ExportTarget,
  contents: Pick<VersionContents, 'inOrder'>,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<Exported> {
  const missing: { path: string; number: number; reason: string }[] = []
  const versions = plan.nodes.flatMap((node) => node.versions)
  const wanted = versions.filter((version) => target.placed(version) === undefined)
  progress.expect(wanted.length, sumOf(wanted))
  const coming = contents.inOrder(wanted)
  const place = async ({ line, versions: own }: ManifestNode, at: number): Promise<void> => {
    const version = own[at]
    if (version === undefined) return
    const head = at === own.length - 1 && line.deletedAt === undefined
    const before = target.placed(version)
    if (before !== undefined) {
      Object.assign(version, before)
      return
    }
    const next = await coming.next()
    if (next.done === true || next.value.item !== version) throw new Error('contents came out of order')
    const { content } = next.value
    const placed =
      content.kind === 'missing'
        ? { missing: content.reason }
        : await target.version(line, version, head, content)
    Object.assign(version, placed)
    if (placed.missing !== undefined)
      missing.push({ path: line.path, number: version.number, reason: placed.missing })
    progress.add(1, version.size)
  }
  for (const node of plan.nodes) {
    signal.throwIfAborted()
    const { line } = node
    if (line.type === 'directory') await target.directory(line)
    else if (line.type === 'symlink') await target.symlink(line)
    else if (node.versions.length === 0) await target.emptyFile(line)
    for (const at of node.versions.keys()) {
      signal.throwIfAborted()
      await place(node, at)
    }
    if (line.type === 'file' && line.links !== undefined && node.versions.at(-1)?.missing === undefined)
      await target.links(line)
  }
  await target.finish(plan)
  return {
    nodes: plan.nodes.length,
    files: plan.nodes.filter(({ line }) => line.type === 'file' && line.deletedAt === undefined).length,
    deleted: plan.nodes.filter(({ line }) => line.deletedAt !== undefined).length,
    versions: versions.length - missing.length,
    bytes: sumOf(versions),
    resumed: versions.length - wanted.length,
    missing,
  }
}

function sumOf(versions: readonly VersionLine[]): number {
  return versions.reduce((sum, { size }) => sum + size, 0)
}
