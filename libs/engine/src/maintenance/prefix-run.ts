import type { RunVersion } from '@agentfs/storage'

/** Runs that are shorter stay as they are: a list is an object of its own. */
export const RUN_MIN = 64
/** A version that has so many beginnings keeps them: each list that takes others over is written anew. */
const PREFIXES_MAX = 16_384
/** Larger files are left alone: the beginning of one is read by all extents below its size. */
const SIZE_MAX = 1024 ** 3

/**
 * The first run among versions of a file (by number) in which each has the next as its only successor and is shorter, all
 * under one key and none but the last a head; and the number to look on from. A run ends with the version that is to keep its
 * manifest, which the next run may begin with.
 */
export function firstRun(versions: readonly RunVersion[]): {
  readonly run: readonly RunVersion[] | undefined
  readonly next: number | undefined
} {
  let run: RunVersion[] = []
  let prefixes = 0
  for (const version of versions) {
    const last = run.at(-1)
    const more = prefixes + version.prefixes + 1
    if (last !== undefined && follows(last, version) && more <= PREFIXES_MAX) {
      run.push(version)
      prefixes = more
      continue
    }
    if (run.length >= RUN_MIN) return { run, next: run.at(-1)?.number }
    run = [version]
    prefixes = version.prefixes + 1
  }
  if (run.length >= RUN_MIN) return { run, next: undefined }
  // What may go on behind these versions is looked at again with what follows.
  const [first] = run
  const cut = first !== undefined && first !== versions[0] ? first.number : undefined
  return { run: undefined, next: cut }
}

function follows(last: RunVersion, version: RunVersion): boolean {
  return (
    !last.head &&
    version.number === last.number + 1 &&
    version.parents.length === 1 &&
    version.parents[0] === last.versionId &&
    version.size > last.size &&
    version.size <= SIZE_MAX &&
    version.keyId === last.keyId
  )
}
