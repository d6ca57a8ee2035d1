import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { AgentfsError } from '@agentfs/contracts'
import { KeyFileKms } from './key-file-kms.js'
import { KEK_LEASE_MS, KeyRing, type WrappedKek } from './key-ring.js'
import type { Kms } from './kms.js'
import { wrappedKekVersion } from './wrapped-key.js'

const tenantId = '0192f000-0000-7000-8000-000000000001'
const keyId = '0192f000-0000-7000-8000-000000000002'
let folder: string
let now: number
let keks: WrappedKek[]
let unwraps: number
let kmsDown: boolean
let tasks: { task: () => void; delayMs: number }[]

/** A real key file KMS behind a wire that can be cut and that counts what passes. */
class MeteredKms implements Kms {
  readonly #kms: KeyFileKms
  constructor(kms: KeyFileKms) {
    this.#kms = kms
  }
  wrap: Kms['wrap'] = (context, plaintext) => this.#kms.wrap(context, plaintext)
  rewrap: Kms['rewrap'] = (context, wrapped) => this.#kms.rewrap(context, wrapped)
  describe: Kms['describe'] = () => this.#kms.describe()
  unwrap: Kms['unwrap'] = (context, wrapped) => {
    unwraps++
    if (kmsDown) return Promise.reject(new AgentfsError('kms_unavailable'))
    return this.#kms.unwrap(context, wrapped)
  }
}

async function newRing(contentKeysMax = 100): Promise<KeyRing> {
  const kms = new MeteredKms(await KeyFileKms.open({ path: join(folder, 'kms.json'), create: true }))
  return new KeyRing({
    kmsFor: () => kms,
    loadKek: (_, version) => {
      const found =
        version === 'current' ? keks.at(-1) : keks.find(({ kekVersion }) => kekVersion === version)
      return found ? Promise.resolve(found) : Promise.reject(new AgentfsError('not_found'))
    },
    now: () => now,
    schedule: (task, delayMs) => tasks.push({ task, delayMs }),
    contentKeysMax,
  })
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentfs-key-ring-'))
  now = 1000
  unwraps = 0
  kmsDown = false
  tasks = []
  keks = []
  keks.push(await (await newRing()).newKek(tenantId, 1))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the key ring', () => {
  it('[ENC-1] makes a content key whose row opens in another process', async () => {
    const { key, row } = await (await newRing()).newContentKey(tenantId, keyId)
    expect(row.wrapped).toHaveLength(65)
    expect((await (await newRing()).unwrapContentKey(row)).equals(key)).toBe(true)
  })

  it('asks the KMS once per lease, however many ask at once', async () => {
    const ring = await newRing()
    await Promise.all(Array.from({ length: 10 }, () => ring.newContentKey(tenantId, keyId)))
    expect(unwraps).toBe(1)
    now += KEK_LEASE_MS
    await ring.newContentKey(tenantId, keyId)
    expect(unwraps).toBe(2)
  })

  it('[OUT-1] works through a KMS outage until the lease ends, then answers kms_unavailable, then recovers', async () => {
    const ring = await newRing()
    const { row, key } = await ring.newContentKey(tenantId, keyId)
    kmsDown = true
    now += KEK_LEASE_MS - 1
    expect((await ring.unwrapContentKey(row)).equals(key)).toBe(true)
    now += 1
    await expect(ring.unwrapContentKey(row)).rejects.toThrow(
      expect.objectContaining({ code: 'kms_unavailable' }),
    )
    kmsDown = false
    expect((await ring.unwrapContentKey(row)).equals(key)).toBe(true)
  })

  it('[OUT-1] renews a used lease in the background from its half on', async () => {
    const ring = await newRing()
    await ring.newContentKey(tenantId, keyId)
    now += KEK_LEASE_MS / 2
    await ring.newContentKey(tenantId, keyId)
    await untilTrue(() => unwraps === 2)
    kmsDown = true
    now += KEK_LEASE_MS - 1
    const { row } = await ring.newContentKey(tenantId, keyId)
    expect(row.keyId).toBe(keyId)
  })

  it('drops every key by itself within five minutes, and rests when it holds none', async () => {
    const ring = await newRing()
    const { row } = await ring.newContentKey(tenantId, keyId)
    const started = now
    while (tasks.length > 0) {
      const { task, delayMs } = tasks.shift() ?? { task: () => undefined, delayMs: 0 }
      now += delayMs
      task()
    }
    expect(now - started).toBeLessThanOrEqual(5 * 60_000)
    now = started
    expect(ring.cachedContentKey(row)).toBeUndefined()
    await ring.newContentKey(tenantId, keyId)
    expect(unwraps).toBe(2)
  })

  it('[SY-16] hands out cached content keys without I/O, the least recently used leaving first', async () => {
    const ring = await newRing(2)
    const ids = ['2', '3', '4'].map((digit) => keyId.slice(0, -1) + digit)
    const rows = []
    for (const id of ids.slice(0, 2)) rows.push((await ring.newContentKey(tenantId, id)).row)
    expect(ring.cachedContentKey({ tenantId, keyId: ids[0] ?? '', keyVersion: 1 })).toBeDefined()
    await ring.newContentKey(tenantId, ids[2] ?? '')
    const cached = ids.map(
      (id) => ring.cachedContentKey({ tenantId, keyId: id, keyVersion: 1 }) !== undefined,
    )
    expect(cached).toEqual([true, false, true])
    expect(rows).toHaveLength(2)
  })

  it('[ENC-4] rotates the KEK by rewrapping rows: the content key stays', async () => {
    const ring = await newRing()
    const { key, row } = await ring.newContentKey(tenantId, keyId)
    keks.push(await ring.newKek(tenantId, 2))
    ring.forget(tenantId)
    const rewrapped = await ring.rewrapContentKey(row)
    expect(wrappedKekVersion(rewrapped, rewrapped.wrapped)).toBe(2)
    expect(await ring.rewrapContentKey(rewrapped)).toBe(rewrapped)
    keks.shift()
    expect((await (await newRing()).unwrapContentKey(rewrapped)).equals(key)).toBe(true)
  })

  it('[ENC-3] forgets one erased key, or all of a tenant', async () => {
    const ring = await newRing()
    const kept = { tenantId, keyId: keyId.slice(0, -1) + '9', keyVersion: 1 }
    const { row } = await ring.newContentKey(tenantId, keyId)
    await ring.newContentKey(tenantId, kept.keyId)
    ring.forget(tenantId, keyId)
    expect(ring.cachedContentKey(row)).toBeUndefined()
    expect(ring.cachedContentKey(kept)).toBeDefined()
    ring.forget(tenantId)
    expect(ring.cachedContentKey(kept)).toBeUndefined()
    await ring.unwrapContentKey(row)
    expect(unwraps).toBe(2)
  })

  it('[ENC-3] does not keep a key that was forgotten while it was being unwrapped', async () => {
    const ring = await newRing()
    const { row } = await ring.newContentKey(tenantId, keyId)
    ring.forget(tenantId)
    const unwrapping = ring.unwrapContentKey(row)
    ring.forget(tenantId, keyId)
    await unwrapping
    expect(ring.cachedContentKey(row)).toBeUndefined()
  })
})

async function untilTrue(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('condition not met within 5 s')
    await new Promise((resolve) => void setImmediate(resolve))
  }
}
