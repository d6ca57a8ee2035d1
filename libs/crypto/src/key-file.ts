// The root keys of a key file KMS, as JSON in a file of mode 0600:
//
//   {"format": "agentfs-key-file/1", "id": "<uuid>", "keys": [{"version": 1, "key": "<base64, 32 bytes>"}, …]}
//
// The highest version wraps; the others open what was wrapped before a rotation.
import { createSecretKey, generateKeySync, type KeyObject, randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AgentfsError } from '@agentfs/contracts'
import { KEY_BYTES } from './aes-gcm.js'

/** The root keys of a file, by version. */
export interface RootKeys {
  readonly id: string
  readonly current: number
  readonly keys: ReadonlyMap<number, KeyObject>
}

/** Reads a key file; `kms_unavailable` with what to do when it is missing, damaged or readable by others. */
export async function readKeyFile(path: string): Promise<RootKeys> {
  const found = await readPrivately(path)
  if (found === undefined)
    throw refusal(`There is no key file at ${path}. Put it back from its backup: without it nothing opens.`)
  return found
}

/** Reads a key file, or makes one with a first key. Racing processes agree on one. */
export async function readOrCreateKeyFile(path: string): Promise<RootKeys> {
  const found = await readPrivately(path)
  if (found !== undefined) return found
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const fresh: RootKeys = { id: randomUUID(), current: 1, keys: new Map([[1, newRootKey()]]) }
  const temporary = `${path}.${randomUUID()}.tmp`
  await writeDurably(temporary, fresh)
  try {
    // link refuses an existing name, which rename would replace: the first of two racing processes wins.
    await link(temporary, path)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(dirname(path))
  return readKeyFile(path)
}

/** Adds a root key version to a key file, which wraps from now on. One rotation at a time. */
export async function rotateKeyFile(path: string): Promise<RootKeys> {
  // The next file's fixed name is the lock: it exists only while a rotation runs, or after one that crashed.
  const next = `${path}.next`
  const claimed = await open(next, 'wx', PRIVATE_MODE).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error
    throw refusal(`${next} exists: another rotation is running. If none is, type: rm ${next}`)
  })
  await claimed.close()
  const rotated = await addRootKey(path, next).catch(async (error: unknown) => {
    await unlink(next)
    throw error
  })
  await syncFolder(dirname(path))
  return rotated
}

const FORMAT = 'agentfs-key-file/1'
const PRIVATE_MODE = 0o600

async function addRootKey(path: string, next: string): Promise<RootKeys> {
  const old = await readKeyFile(path)
  const current = old.current + 1
  const rotated: RootKeys = {
    id: old.id,
    current,
    keys: new Map([...old.keys, [current, newRootKey()] as const]),
  }
  await writeDurably(next, rotated, 'w')
  await rename(next, path)
  return rotated
}

function newRootKey(): KeyObject {
  return generateKeySync('aes', { length: KEY_BYTES * 8 })
}

async function readPrivately(path: string): Promise<RootKeys | undefined> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0')
      throw refusal(`Others can reach the key file ${path} (mode ${octal}). Type: chmod 600 ${path}`)
    }
    return decodeKeyFile(path, await readFile(path, 'utf8'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    if (isErrno(error, 'EACCES')) throw refusal(`The key file ${path} belongs to another user.`, error)
    throw error
  }
}

function decodeKeyFile(path: string, text: string): RootKeys {
  const keys = new Map<number, KeyObject>()
  const damaged = (cause?: unknown) =>
    refusal(`The key file ${path} is damaged. Put it back from its backup: without it nothing opens.`, cause)
  try {
    const file: unknown = JSON.parse(text)
    if (!isRecord(file) || file['format'] !== FORMAT) throw damaged()
    const id = file['id']
    const entries = file['keys']
    if (typeof id !== 'string' || !Array.isArray(entries) || entries.length === 0) throw damaged()
    for (const entry of entries as unknown[]) {
      const version = isRecord(entry) ? entry['version'] : undefined
      const encoded = isRecord(entry) ? entry['key'] : undefined
      if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) throw damaged()
      const key = Buffer.from(typeof encoded === 'string' ? encoded : '', 'base64')
      if (key.length !== KEY_BYTES || keys.has(version)) throw damaged()
      keys.set(version, createSecretKey(key))
    }
    return { id, keys, current: Math.max(...keys.keys()) }
  } catch (error) {
    throw error instanceof AgentfsError ? error : damaged(error)
  }
}

async function writeDurably(path: string, root: RootKeys, flags = 'wx'): Promise<void> {
  const keys = [...root.keys].map(([version, key]) => ({ version, key: key.export().toString('base64') }))
  const file = await open(path, flags, PRIVATE_MODE)
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT, id: root.id, keys }, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function refusal(detail: string, cause?: unknown): AgentfsError {
  return new AgentfsError('kms_unavailable', { detail }, { cause })
}

function isErrno(error: unknown, code: string): boolean {
  return isRecord(error) && error['code'] === code
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
