import {
  AgentfsError,
  type DeletedFile,
  isAgentfsError,
  parsePath,
  type WriteAnswer,
} from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { UsageError } from '../exit-codes.js'
import { allPages } from './pages.js'

type Files = AgentHandle['files']

/** The deleted files at and below a path that can still be restored, those deleted last first. */
export async function deletedBelow(files: Files, path: string): Promise<DeletedFile[]> {
  const at = parsePath(path).join('/')
  const all = await allPages((page) => files.deleted(page))
  return all
    .filter((file) => at === '' || file.path === at || file.path.startsWith(`${at}/`))
    .toSorted((one, other) => other.deletedAt.localeCompare(one.deletedAt))
}

/** Runs what is asked of a path; where nothing stands there, `ofDeleted` of the file that was deleted there last. */
export async function orDeleted<T>(
  files: Files,
  path: string,
  ask: () => Promise<T>,
  ofDeleted: (file: DeletedFile) => Promise<T>,
): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!isAgentfsError(error, 'not_found')) throw error
    // Where the list is not answered either, the first answer is the one that tells.
    const file = await deletedAt(files, path).catch(() => undefined)
    if (file === undefined) throw error
    return ofDeleted(file)
  }
}

/** Brings a deleted file back as it last was; of one that is there a version must be named. */
export function restoreDeleted(files: Files, path: string): Promise<WriteAnswer> {
  return orDeleted(
    files,
    path,
    async () => {
      await files.stat(path)
      throw new UsageError(`${path} is there; say what to restore: --file-version N or --at INSTANT`)
    },
    ({ version }) => {
      if (version === null) throw new AgentfsError('not_found', { detail: `${path} never had content` })
      return files.restore(path, { version })
    },
  )
}

async function deletedAt(files: Files, path: string): Promise<DeletedFile | undefined> {
  const at = parsePath(path).join('/')
  return (await deletedBelow(files, path)).find((file) => file.path === at)
}
