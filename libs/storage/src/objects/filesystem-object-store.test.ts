import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { openFilesystemObjectStore } from './filesystem-object-store.js'
import type { ObjectStore } from './object-store.js'
import { describeObjectStore } from './object-store.contract.js'

let directory: TemporaryDirectory

beforeAll(async () => {
  directory = await temporaryDirectory('objects')
})
afterAll(async () => directory.remove())

describeObjectStore('filesystem', {
  open: async () => openFilesystemObjectStore(join(directory.path, 'contract')),
})

describe('filesystem object store', () => {
  const root = () => join(directory.path, randomUUID())
  const body = new TextEncoder().encode('body')
  const firstOf = (store: ObjectStore) => store.list('')[Symbol.asyncIterator]().next()

  it('keeps files at 0600 and folders at 0700', async () => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    await store.putIfAbsent('a/b/c', body)
    await store.put('a/b/d', body)
    for (const folder of ['', 'a', 'a/b', '.staging'])
      expect((await stat(join(path, folder))).mode & 0o777).toBe(0o700)
    for (const file of ['a/b/c', 'a/b/d']) expect((await stat(join(path, file))).mode & 0o777).toBe(0o600)
  })

  it('[DUR-2] leaves no half-written file after a refused or failed write, and clears old ones when it opens', async () => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    await store.putIfAbsent('a', body)
    await store.putIfAbsent('a', body)
    await expect(store.put('a/b', body)).rejects.toMatchObject({ code: 'invalid_path' })
    expect(await readdir(join(path, '.staging'))).toEqual([])

    const [old, young] = [join(path, '.staging', 'old'), join(path, '.staging', 'young')]
    await writeFile(old, 'half')
    await writeFile(young, 'half')
    const twoHoursAgo = new Date(Date.now() - 2 * 3_600_000)
    await utimes(old, twoHoursAgo, twoHoursAgo)
    await openFilesystemObjectStore(path)
    expect(await readdir(join(path, '.staging'))).toEqual(['young'])
  })

  it('does not let a key be a folder of another', async () => {
    const store = await openFilesystemObjectStore(root())
    await store.put('folder/object', body)
    await expect(store.putIfAbsent('folder', body)).rejects.toMatchObject({ code: 'invalid_path' })
    await expect(store.put('folder', body)).rejects.toMatchObject({ code: 'invalid_path' })
    await expect(store.putIfAbsent('folder/object/below', body)).rejects.toMatchObject({
      code: 'invalid_path',
    })
    expect(await store.head('folder/object')).toEqual({ size: 4 })
  })

  it('keeps its staging folder out of reach of keys and listings', async () => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    await writeFile(join(path, '.staging', 'x'), 'half')
    await expect(store.get('.staging/x')).rejects.toMatchObject({ code: 'invalid_path' })
    await store.put('deep/.staging', body)
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual(['deep/.staging'])
  })

  it('takes no file for an object that NFS keeps for the last reader of a deleted one', async () => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    const [kept, alike] = ['.nfs00000000000c00ab00000003', '.nfs00000000000c00ab']
    await store.put(`folder/${alike}`, body)
    await writeFile(join(path, 'folder', kept), 'deleted')
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual([`folder/${alike}`])
    await expect(store.put(`folder/${kept}`, body)).rejects.toMatchObject({ code: 'invalid_path' })
  })

  it.each([
    ['is gone', (path: string) => rm(path, { recursive: true })],
    ['is the bare mount point', (path: string) => rm(join(path, '.staging'), { recursive: true })],
  ])('[OUT-1] is away when its folder %s, and misses no object', async (_, unmount) => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    await store.put('a/b', body)
    await rm(join(path, 'a'), { recursive: true })
    await unmount(path)
    const away = expect.objectContaining({ code: 'unavailable' })
    for (const key of ['a', 'a/b']) {
      await expect(store.get(key)).rejects.toEqual(away)
      await expect(store.getRange(key, 0, 1)).rejects.toEqual(away)
      await expect(store.head(key)).rejects.toEqual(away)
      await expect(store.delete(key)).rejects.toEqual(away)
      await expect(store.putIfAbsent(key, body)).rejects.toEqual(away)
    }
    await expect(firstOf(store)).rejects.toEqual(away)
    await expect(store.probe()).rejects.toEqual(away)
    await expect(stat(join(path, 'a'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('does not list what is no regular file', async () => {
    const path = root()
    const store = await openFilesystemObjectStore(path)
    await mkdir(join(path, 'empty'))
    await symlink('/etc/passwd', join(path, 'link'))
    const keys: string[] = []
    for await (const { key } of store.list('')) keys.push(key)
    expect(keys).toEqual([])
  })

  it('[OUT-1] answers unavailable, with a time to retry, when the disk is full', async () => {
    const path = root()
    await mkdir(path)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'agentfs-test', path])
    if (mounted.status !== 0) {
      process.stderr.write('not run: no right to mount a small tmpfs here\n')
      return
    }
    try {
      const store = await openFilesystemObjectStore(path)
      await store.put('small', body)
      await expect(store.put('small', new Uint8Array(1 << 20))).rejects.toMatchObject({
        code: 'unavailable',
        details: { object: 'small', retryAfterSeconds: expect.any(Number) },
      })
      expect(Buffer.from(await store.get('small')).toString()).toBe('body')
      expect(await readdir(join(path, '.staging'))).toEqual([])
    } finally {
      spawnSync('umount', [path])
    }
  })
})
