import { randomUUID } from 'node:crypto'
import { link, open, readdir, readFile, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AgentfsError } from '@agentfs/contracts'
import { makeDurableDirectory, syncDirectory, writeDurableFile } from './durable-file.js'
import { isSillyRename, listFiles } from './filesystem-listing.js'
import { assertRange, keyIsFolder, objectMissing, objectTooShort, storeUnavailable } from './object-errors.js'
import { assertObjectKey, assertObjectPrefix } from './object-key.js'
import type {
  CreateOutcome,
  ObjectCallOptions,
  ObjectListing,
  ObjectStore,
  ObjectStoreDescription,
} from './object-store.js'
import { assertThere, lookedUp, type SharedFolderRoot } from './shared-lookup.js'
import { systemErrorCode } from './system-error-code.js'

/** Half-written files lie here, on the objects' own filesystem, so that link and rename can publish them. */
const STAGING = '.staging'
const STAGING_AGE_MS_MAX = 60 * 60 * 1000
/** A folder can be pruned between our mkdir and our link; each round needs another delete to lose again. */
const PUBLISH_ATTEMPTS_MAX = 20

/** Opens (and makes) an object store in a folder, and clears what writers left behind that died over an hour ago. */
export async function openFilesystemObjectStore(
  root: string,
  nowMs: number = Date.now(),
): Promise<ObjectStore> {
  const staging = join(root, STAGING)
  await makeDurableDirectory(staging)
  for (const name of await readdir(staging)) {
    const path = join(staging, name)
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && nowMs - found.mtimeMs > STAGING_AGE_MS_MAX)
      await unlink(path).catch(() => undefined)
  }
  return new FilesystemObjectStore(root)
}

/**
 * One file per object, at the key as its path. Any number of processes may use one folder, over NFS too: link(2) decides
 * who created an object, and there are no locks.
 */
class FilesystemObjectStore implements ObjectStore {
  readonly #root: string
  readonly #folder: SharedFolderRoot

  constructor(root: string) {
    this.#root = root
    this.#folder = { root, landmark: join(root, STAGING) }
  }

  async putIfAbsent(key: string, body: Uint8Array, options: ObjectCallOptions = {}): Promise<CreateOutcome> {
    return this.#publish(key, body, options, async (staged, target) => {
      const outcome = await linkOnce(staged, target)
      if (outcome === 'folder') throw keyIsFolder(key)
      return outcome
    })
  }

  async put(key: string, body: Uint8Array, options: ObjectCallOptions = {}): Promise<void> {
    await this.#publish(key, body, options, rename)
  }

  async get(key: string, options: ObjectCallOptions = {}): Promise<Uint8Array> {
    return this.#reading(key, options, (path) => readFile(path, options))
  }

  async getRange(
    key: string,
    from: number,
    length: number,
    options: ObjectCallOptions = {},
  ): Promise<Uint8Array> {
    assertRange(key, from, length)
    return this.#reading(key, options, async (path) => {
      const file = await open(path, 'r')
      try {
        const { size } = await file.stat()
        // Checked before the buffer is made: a wild length must not cost memory.
        if (from + length > size) throw objectTooShort(key, from, length)
        const bytes = Buffer.allocUnsafe(length)
        for (let done = 0; done < length;) {
          const { bytesRead } = await file.read(bytes, done, length - done, from + done)
          if (bytesRead === 0) throw objectTooShort(key, from, length)
          done += bytesRead
        }
        return bytes
      } finally {
        await file.close()
      }
    })
  }

  async head(key: string, options: ObjectCallOptions = {}): Promise<{ readonly size: number } | null> {
    try {
      return await this.#reading(key, options, async (path) => {
        // Opened, for NFS answers a mere stat from its cache: also of a file that another machine deleted or replaced.
        const file = await open(path, 'r')
        try {
          const found = await file.stat()
          if (!found.isFile()) throw objectMissing(key)
          return { size: found.size }
        } finally {
          await file.close()
        }
      })
    } catch (error) {
      if (error instanceof AgentfsError && error.code === 'not_found') return null
      throw error
    }
  }

  async *list(prefix: string, cursor = '', options: ObjectCallOptions = {}): AsyncGenerator<ObjectListing> {
    assertObjectPrefix(prefix)
    const reserved = new Set([STAGING])
    try {
      await assertThere(this.#folder)
      yield* listFiles({ root: this.#root, prefix, cursor, signal: options.signal, reserved })
    } catch (error) {
      throw translated(prefix, options, error)
    }
  }

  async delete(key: string, options: ObjectCallOptions = {}): Promise<void> {
    const target = this.#path(key)
    options.signal?.throwIfAborted()
    try {
      await lookedUp(this.#folder, target, () => unlink(target), options.signal)
      await syncDirectory(dirname(target))
      await this.#prune(dirname(target))
    } catch (error) {
      if (
        ['ENOENT', 'ENOTDIR', 'EISDIR', 'EPERM'].includes(systemErrorCode(error)) &&
        !(await this.head(key))
      )
        return
      throw translated(key, options, error)
    }
  }

  async probe(options: ObjectCallOptions = {}): Promise<void> {
    const name = join(this.#root, STAGING, randomUUID())
    try {
      await writeDurableFile(name, new Uint8Array(0))
      await unlink(name)
    } catch (error) {
      throw translated(STAGING, options, error)
    }
  }

  describe(): ObjectStoreDescription {
    return { kind: 'filesystem', location: this.#root }
  }

  async close(): Promise<void> {
    // holds nothing open
  }

  /** Bytes first, then the name, each synced: what power loss leaves is a whole object or none. */
  async #publish<T>(
    key: string,
    body: Uint8Array,
    options: ObjectCallOptions,
    give: (staged: string, target: string) => Promise<T>,
  ): Promise<T> {
    const target = this.#path(key)
    const staged = join(this.#root, STAGING, randomUUID())
    options.signal?.throwIfAborted()
    try {
      await writeDurableFile(staged, body)
      options.signal?.throwIfAborted()
      return await this.#name(target, () => give(staged, target))
    } catch (error) {
      throw translated(key, options, error)
    } finally {
      await unlink(staged).catch(() => undefined)
    }
  }

  async #name<T>(target: string, give: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await makeDurableDirectory(dirname(target))
        const outcome = await give()
        // Also where another writer was first: `exists` promises as much as `created`.
        await syncDirectory(dirname(target)).catch((error: unknown) => {
          // An overlapping delete took the object and its folder: nothing is left to sync.
          if (!isVanished(error)) throw error
        })
        return outcome
      } catch (error) {
        if (!isVanished(error) || attempt === PUBLISH_ATTEMPTS_MAX) throw error
      }
    }
  }

  async #reading<T>(key: string, options: ObjectCallOptions, read: (path: string) => Promise<T>): Promise<T> {
    const path = this.#path(key)
    options.signal?.throwIfAborted()
    try {
      return await lookedUp(this.#folder, path, () => read(path), options.signal)
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemErrorCode(error))) throw objectMissing(key, error)
      throw translated(key, options, error)
    }
  }

  /** Empty folders go with their last object, so that their name is free to be an object's. */
  async #prune(folder: string): Promise<void> {
    for (let current = folder; current !== this.#root; current = dirname(current)) {
      const gone = await rmdir(current).then(
        () => true,
        () => false,
      )
      if (!gone) return
    }
  }

  #path(key: string): string {
    assertObjectKey(key)
    const segments = key.split('/')
    const reserved = segments[0] === STAGING ? STAGING : segments.find(isSillyRename)
    if (reserved === undefined) return join(this.#root, key)
    const detail = `not an object key here: ${reserved} is reserved`
    throw new AgentfsError('invalid_path', { object: key, detail })
  }
}

/**
 * A link that NFS answered EEXIST for may be our own, sent twice: then both names are of one file. Its count of names does not
 * tell, for that comes from the client's cache; the name that could not be given is looked up anew.
 */
async function linkOnce(staged: string, target: string): Promise<CreateOutcome | 'folder'> {
  try {
    await link(staged, target)
    return 'created'
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error
    const standing = await stat(target, { bigint: true })
    if (standing.isDirectory()) return 'folder'
    const { ino } = await stat(staged, { bigint: true })
    return standing.ino === ino ? 'created' : 'exists'
  }
}

/** A folder that another process removed, or, on another machine, replaced. */
function isVanished(error: unknown): boolean {
  return ['ENOENT', 'ESTALE'].includes(systemErrorCode(error))
}

function translated(key: string, options: ObjectCallOptions, error: unknown): unknown {
  if (error instanceof AgentfsError) return error
  if (options.signal?.aborted === true) return options.signal.reason
  if (['ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(systemErrorCode(error)))
    return keyIsFolder(key, error)
  return storeUnavailable(key, error)
}
