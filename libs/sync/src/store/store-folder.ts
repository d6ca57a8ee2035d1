import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { StoreDatabase } from './store-database.js'
import { isStoreError, StoreError } from './store-error.js'

/** Where a store keeps its things. */
export interface StoreFolder {
  readonly path: string
  readonly database: StoreDatabase
  readonly key: Uint8Array
  /** The folder of blobs too large for rows. */
  readonly blobs: string
}

const KEY_BYTES = 32

/**
 * `<state home>/agentfs/<host>/<agent id>`, where a store belongs. The host is the service's, with its port, made safe
 * for a file name.
 */
export function storePath(stateHome: string, serviceUrl: string, agent: string): string {
  const { host } = new URL(serviceUrl)
  return join(stateHome, 'agentfs', host.replace(/[^A-Za-z0-9.-]/g, '_'), agent)
}

/** True where a store of the path was opened before: a mount may then start offline. */
export function storeExists(path: string): boolean {
  return existsSync(join(path, 'store.db'))
}

/** Opens the folder of a store, making it where it is missing. Throws `store_locked` while another process has it. */
export function openStoreFolder(path: string): StoreFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const database = openLocked(path)
  try {
    // Not by the file: an opening that ended before the key was written has left nothing that a key is needed for.
    const isUsed = database.sql('select 1 from meta').get() !== undefined
    const key = isUsed ? readKey(path) : makeKey(path)
    const blobs = join(path, 'blobs')
    mkdirSync(blobs, { recursive: true, mode: 0o700 })
    writeFileSync(ownerPath(path), JSON.stringify({ pid: process.pid, since: new Date().toISOString() }))
    syncDirectory(path)
    return { path, database, key, blobs }
  } catch (error) {
    database.close()
    throw error
  }
}

/** Makes the names in a directory survive power loss. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Makes the bytes of a file survive power loss. */
export function syncFile(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function openLocked(path: string): StoreDatabase {
  try {
    return new StoreDatabase(join(path, 'store.db'))
  } catch (error) {
    if (!isStoreError(error, 'store_locked')) throw error
    throw new StoreError(
      'store_locked',
      `another process${ownerText(path)} has the client store open; unmount there first`,
      { path },
      { cause: error },
    )
  }
}

/** The key lies beside what it opens: it guards copies and backups of the database, not against its own user. */
function makeKey(path: string): Uint8Array {
  const key = randomBytes(KEY_BYTES)
  writeFileSync(keyPath(path), key, { mode: 0o600, flush: true })
  return key
}

function readKey(path: string): Uint8Array {
  const file = keyPath(path)
  if (!existsSync(file)) {
    throw new StoreError(
      'store_unreadable',
      `the key of the client store is gone (${file}); without it the journal cannot be read`,
    )
  }
  const key = readFileSync(file)
  if (key.length !== KEY_BYTES) {
    throw new StoreError('store_unreadable', `the key of the client store is damaged (${file})`)
  }
  return key
}

function keyPath(path: string): string {
  return join(path, 'store.key')
}

function ownerPath(path: string): string {
  return join(path, 'owner.json')
}

function ownerText(path: string): string {
  try {
    const owner = JSON.parse(readFileSync(ownerPath(path), 'utf8')) as { pid?: unknown; since?: unknown }
    return ` (pid ${String(owner.pid)}, since ${String(owner.since)})`
  } catch {
    return ''
  }
}
