import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { isAgentfsError } from '@agentfs/contracts'
import { KeyFileKms } from './key-file-kms.js'

const context = { tenantId: '0192f000-0000-7000-8000-000000000001', kekVersion: 1, purpose: 'kek' }
const secret = Buffer.alloc(32, 5)
const detail = (text: string) =>
  expect.objectContaining({
    code: 'kms_unavailable',
    details: { detail: expect.stringContaining(text) as unknown },
  })
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentfs-key-file-'))
  path = join(folder, 'keys', 'kms.json')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the key file KMS', () => {
  it('makes a private file on first use, leaves nothing beside it, and opens it again', async () => {
    const kms = await KeyFileKms.open({ path, create: true })
    const wrapped = await kms.wrap(context, secret)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(folder, 'keys'))).toEqual(['kms.json'])
    const again = await KeyFileKms.open({ path, create: false })
    expect(await again.unwrap(context, wrapped)).toEqual(secret)
    expect(await again.describe()).toEqual(await kms.describe())
  })

  it('agrees on one key when many make the file at once', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => KeyFileKms.open({ path, create: true })))
    const described = await Promise.all(opened.map((kms) => kms.describe()))
    expect(new Set(described.map(({ rootKeyId }) => rootKeyId)).size).toBe(1)
    expect(await readdir(join(folder, 'keys'))).toEqual(['kms.json'])
  })

  it('refuses a file that others can read, saying the chmod to type', async () => {
    await KeyFileKms.open({ path, create: true })
    await chmod(path, 0o640)
    await expect(KeyFileKms.open({ path, create: true })).rejects.toThrow(detail(`chmod 600 ${path}`))
  })

  it('refuses a missing file where none may be made, and a damaged one always', async () => {
    await expect(KeyFileKms.open({ path, create: false })).rejects.toThrow(detail('backup'))
    await KeyFileKms.open({ path, create: true })
    const text = await readFile(path, 'utf8')
    for (const damaged of ['', '{}', text.slice(0, -10), text.replace('"version": 1', '"version": 0')]) {
      await writeFile(path, damaged)
      await expect(KeyFileKms.open({ path, create: true })).rejects.toThrow(detail('damaged'))
    }
  })

  it.each([
    ['tenant', { tenantId: '0192f000-0000-7000-8000-0000000000ff' }],
    ['KEK version', { kekVersion: 2 }],
    ['purpose', { purpose: 'pepper' }],
  ])('[ENC-2] refuses bytes wrapped under another %s', async (_, change) => {
    const kms = await KeyFileKms.open({ path, create: true })
    const wrapped = await kms.wrap(context, secret)
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    await expect(kms.unwrap({ ...context, ...change }, wrapped)).rejects.toThrow(corrupt)
    await expect(kms.unwrap(context, wrapped.subarray(0, 30))).rejects.toThrow(corrupt)
  })

  it('[ENC-4] rotates: old bytes open, new ones wrap under the new version, other processes follow', async () => {
    const kms = await KeyFileKms.open({ path, create: true })
    const other = await KeyFileKms.open({ path, create: false })
    const old = await kms.wrap(context, secret)
    const { rootKeyVersion } = await kms.rotate()
    expect(rootKeyVersion).toBe(2)
    const rewrapped = await kms.rewrap(context, old)
    expect([old.readUInt32BE(1), rewrapped.readUInt32BE(1)]).toEqual([1, 2])
    expect(await kms.unwrap(context, old)).toEqual(secret)
    expect(await other.unwrap(context, rewrapped)).toEqual(secret)
    expect((await other.describe()).rootKeyVersion).toBe(2)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('[ENC-4] allows one rotation at a time, and says what a crashed one left', async () => {
    const kms = await KeyFileKms.open({ path, create: true })
    await writeFile(`${path}.next`, '')
    await expect(kms.rotate()).rejects.toThrow(detail(`rm ${path}.next`))
  })

  it('[OUT-1] answers kms_unavailable while its file is away, and goes on when it is back', async () => {
    const kms = await KeyFileKms.open({ path, create: true })
    const wrapped = await kms.wrap(context, secret)
    await rename(path, `${path}.away`)
    const away = async () =>
      kms.unwrap(context, wrapped).then(
        () => false,
        (error: unknown) => isAgentfsError(error, 'kms_unavailable'),
      )
    for (const endsAt = performance.now() + 5_000; !(await away());) {
      expect(performance.now()).toBeLessThan(endsAt)
      await delay(50)
    }
    await expect(kms.wrap(context, secret)).rejects.toMatchObject({ code: 'kms_unavailable', details: {} })
    await rename(`${path}.away`, path)
    expect(await kms.unwrap(context, wrapped)).toEqual(secret)
  })

  it('[OUT-1] answers kms_unavailable for a root key version that the file lost, without its path', async () => {
    const kms = await KeyFileKms.open({ path, create: true })
    const wrapped = await kms.wrap(context, secret)
    wrapped.writeUInt32BE(9, 1)
    await expect(kms.unwrap(context, wrapped)).rejects.toThrow(
      expect.objectContaining({ code: 'kms_unavailable', details: {} }),
    )
  })
})
