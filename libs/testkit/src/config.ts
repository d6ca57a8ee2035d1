import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where the test kit looks for things; the one place of this package that reads the environment. */
export interface TestkitConfig {
  /** Programs, templates and the state file of `npm run services`, shared by all checkouts of a user. */
  readonly cacheDirectory: string
  /** Directory of throw-away data. */
  readonly temporaryDirectory: string
  /** `bin` directory of the Postgres to test against (`PGBIN`); without it the embedded one from npm. */
  readonly postgresBinDirectory: string | undefined
  /**
   * Two mounts of one folder, comma-separated (`AGENTFS_SHARED_FOLDERS`), to try a network filesystem as an object store, each
   * mount as if on a machine of its own; none where unset.
   */
  readonly sharedFolders: readonly [string, string] | undefined
  /** Random operations of the long model tests (`AGENTFS_MODEL_OPERATIONS`); their own default where unset. */
  readonly modelOperations: number | undefined
  /** Seed of what tests draw (`AGENTFS_SEED`); a new one, printed, where unset. */
  readonly seed: number | undefined
}

/** Reads the environment; scripts/services/paths.mjs follows the same rule for the cache directory. */
export function testkitConfig(environment: NodeJS.ProcessEnv = process.env): TestkitConfig {
  const cacheHome = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return {
    cacheDirectory: join(cacheHome, 'agentfs'),
    temporaryDirectory: tmpdir(),
    postgresBinDirectory: environment['PGBIN'] || undefined,
    sharedFolders: pairIn(environment['AGENTFS_SHARED_FOLDERS']),
    modelOperations: numberIn(environment['AGENTFS_MODEL_OPERATIONS']),
    seed: numberIn(environment['AGENTFS_SEED']),
  }
}

function pairIn(text: string | undefined): readonly [string, string] | undefined {
  const [first, second, ...more] = (text ?? '').split(',')
  if (!first) return undefined
  if (!second || more.length > 0)
    throw new Error('AGENTFS_SHARED_FOLDERS must name two folders: /mnt/a,/mnt/b')
  return [first, second]
}

function numberIn(text: string | undefined): number | undefined {
  const number = Number(text)
  return text === undefined || text === '' || !Number.isSafeInteger(number) ? undefined : number
}
