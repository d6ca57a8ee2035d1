import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createOrConfirm } from './create-or-confirm.js'
import { compareKeys } from './object-key.js'
import type { ObjectListing, ObjectStore } from './object-store.js'

/** One implementation under the contract. */
export interface ContractSubject {
  /** Calls meet faults and are tried again within the adapter: a create may have landed unheard, and answers `exists` then. */
  readonly faulty?: boolean
  /** An open store that holds nothing; all subjects of one run may share a bucket under prefixes of their own. */
  open(): Promise<ObjectStore>
  /** The same place, opened with credentials it must refuse; absent where there are none. */
  openWithWrongCredentials?(): Promise<ObjectStore[]>
  /** Clears up after `close()`. */
  remove?(): Promise<void>
}

const text = (value: string) => new TextEncoder().encode(value)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const failure = (code: string, object: string) =>
  expect.objectContaining({ code, details: expect.objectContaining({ object }) })

async function collect(listing: AsyncIterable<ObjectListing>): Promise<ObjectListing[]> {
  const all: ObjectListing[] = []
  for await (const one of listing) all.push(one)
  return all
}

/** The promises of ObjectStore, as tests; every adapter runs them, against the real thing. */
export function describeObjectStore(storeName: string, subject: ContractSubject): void {
  describe(`ObjectStore contract: ${storeName}`, () => {
    let store: ObjectStore
    beforeAll(async () => {
      store = await subject.open()
    })
    afterAll(async () => {
      await store.close()
      await subject.remove?.()
    })
    const fresh = (label: string) => `${label}/${randomUUID()}`
    /**
     * Keys that are used again, which the service never does: a delete whose answer was lost may land behind its repetition, and
     * take what was created since.
     */
    const itReuses = subject.faulty === true ? () => undefined : it
    /** What a first create answers. */
    const made: unknown = subject.faulty === true ? expect.stringMatching(/^(created|exists)$/) : 'created'

    it('answers the probe and describes itself without secrets', async () => {
      await expect(store.probe()).resolves.toBeUndefined()
      expect(store.describe().location).not.toMatch(/secret|accesskey/i)
    })

    it('gives back exactly what was created, once', async () => {
      const key = fresh('once')
      expect(await store.putIfAbsent(key, text('first'))).toEqual(made)
      expect(await store.putIfAbsent(key, text('second'))).toBe('exists')
      expect(Buffer.from(await store.get(key)).toString()).toBe('first')
      expect(await store.head(key)).toEqual({ size: 5 })
    })

    it('[DUR-2] lets exactly one of 20 racing creates win, and keeps its bytes whole', async () => {
      const key = fresh('race')
      const bodies = Array.from({ length: 20 }, () => randomBytes(100_000))
      const outcomes = await Promise.all(bodies.map((body) => store.putIfAbsent(key, body)))
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
      const winner = bodies[outcomes.indexOf('created')] ?? Buffer.alloc(0)
      expect(sha256(await store.get(key))).toBe(sha256(winner))
    })

    it('[DUR-2] confirms a repeated create of the same bytes, and leaves other bytes alone', async () => {
      const key = fresh('confirm')
      expect(await createOrConfirm(store, key, text('mine'))).toBe('created')
      expect(await createOrConfirm(store, key, text('mine'))).toBe('confirmed')
      await expect(createOrConfirm(store, key, text('other'))).rejects.toEqual(failure('already_exists', key))
      expect(Buffer.from(await store.get(key)).toString()).toBe('mine')
    })

    it('overwrites with put, longer and shorter, and shows it at once', async () => {
      const key = fresh('put')
      for (const body of ['one', 'a longer one', '', 'x']) {
        await store.put(key, text(body))
        expect(Buffer.from(await store.get(key)).toString()).toBe(body)
        expect(await store.head(key)).toEqual({ size: body.length })
      }
    })

    it('[DUR-2] never shows a torn object while it is overwritten', async () => {
      const key = fresh('torn')
      const bodies = [Buffer.alloc(300_000, 'a'), Buffer.alloc(200_000, 'b')]
      const digests = new Set(bodies.map(sha256))
      await store.put(key, bodies[0] ?? Buffer.alloc(0))
      const writing = (async () => {
        for (let round = 0; round < 10; round++) await store.put(key, bodies[round % 2] ?? Buffer.alloc(0))
      })()
      for (let round = 0; round < 20; round++) expect(digests).toContain(sha256(await store.get(key)))
      await writing
    })

    it('reads ranges exactly, and calls one past the end corrupt', async () => {
      const key = fresh('range')
      const body = randomBytes(100_001)
      await store.putIfAbsent(key, body)
      for (const [from, length] of [
        [0, 1],
        [0, 100_001],
        [100_000, 1],
        [50_000, 16_400],
        [0, 0],
        [100_001, 0],
      ] as const) {
        expect(
          Buffer.from(await store.getRange(key, from, length)).equals(body.subarray(from, from + length)),
        ).toBe(true)
      }
      for (const [from, length] of [
        [100_000, 2],
        [100_001, 1],
        [0, 100_002],
        [5_000_000, 10],
        [100_002, 0],
      ] as const) {
        await expect(store.getRange(key, from, length)).rejects.toEqual(failure('object_corrupt', key))
      }
      for (const [from, length] of [
        [-1, 1],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
      ] as const) {
        await expect(store.getRange(key, from, length)).rejects.toEqual(failure('invalid_request', key))
      }
    })

    it('keeps an empty object', async () => {
      const key = fresh('empty')
      expect(await store.putIfAbsent(key, new Uint8Array(0))).toEqual(made)
      expect(await store.putIfAbsent(key, text('x'))).toBe('exists')
      expect(await store.get(key)).toHaveLength(0)
      expect(await store.getRange(key, 0, 0)).toHaveLength(0)
      await expect(store.getRange(key, 0, 1)).rejects.toEqual(failure('object_corrupt', key))
      expect(await store.head(key)).toEqual({ size: 0 })
      expect(await collect(store.list(key))).toEqual([{ key, size: 0 }])
    })

    it('keeps an object of 4 MiB', async () => {
      const key = fresh('large')
      const body = randomBytes(4 << 20)
      expect(await store.putIfAbsent(key, body)).toEqual(made)
      expect(sha256(await store.get(key))).toBe(sha256(body))
      const tail = await store.getRange(key, (4 << 20) - 1000, 1000)
      expect(Buffer.from(tail).equals(body.subarray(-1000))).toBe(true)
    })

    it('takes a body that is a view into a larger buffer', async () => {
      const key = fresh('view')
      const large = text('....body....')
      await store.put(key, large.subarray(4, 8))
      expect(Buffer.from(await store.get(key)).toString()).toBe('body')
    })

    it('names a missing object, and answers head with null', async () => {
      const key = fresh('missing')
      await expect(store.get(key)).rejects.toEqual(failure('not_found', key))
      await expect(store.getRange(key, 0, 1)).rejects.toEqual(failure('not_found', key))
      await expect(store.getRange(key, 0, 0)).rejects.toEqual(failure('not_found', key))
      expect(await store.head(key)).toBeNull()
    })

    it('does not take a folder for an object', async () => {
      const folder = fresh('folder')
      await store.put(`${folder}/below`, text('x'))
      expect(await store.head(folder)).toBeNull()
      await expect(store.get(folder)).rejects.toEqual(failure('not_found', folder))
      await store.delete(folder)
      expect(await store.head(`${folder}/below`)).toEqual({ size: 1 })
      expect(await store.head(`${folder}/below/deeper`)).toBeNull()
    })

    itReuses('deletes, twice if asked, and lets the key be created anew', async () => {
      const key = fresh('delete')
      await store.putIfAbsent(key, text('one'))
      await store.delete(key)
      await store.delete(key)
      expect(await store.head(key)).toBeNull()
      expect(await store.putIfAbsent(key, text('two'))).toEqual(made)
      expect(Buffer.from(await store.get(key)).toString()).toBe('two')
    })

    itReuses('loses no create to deletes that empty the folder meanwhile', async () => {
      const folder = fresh('churn')
      const worker = async (name: string) => {
        for (let round = 0; round < 10; round++) {
          expect(await store.putIfAbsent(`${folder}/${name}`, text(name))).toEqual(made)
          expect(Buffer.from(await store.get(`${folder}/${name}`)).toString()).toBe(name)
          await store.delete(`${folder}/${name}`)
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map(worker))
      expect(await collect(store.list(`${folder}/`))).toEqual([])
    })

    itReuses('lets a key take the name of a folder that is empty again', async () => {
      const key = fresh('reuse')
      await store.put(`${key}/below/deep`, text('x'))
      await store.delete(`${key}/below/deep`)
      expect(await store.putIfAbsent(key, text('now an object'))).toEqual(made)
    })

    it('keeps odd keys exactly', async () => {
      const folder = fresh('odd')
      const names = [
        'plain', 'with space', ' leading', 'trailing ', 'plus+plus', 'percent%20', '%2e%2e', 'hash#', 'question?x=1&y=2', 'semi;colon',
        'quote"\'`', '<angle>&amp;', '(paren)[bracket]{brace}', 'dollar$at@bang!star*', 'tilde~', 'equals=comma,', '..dots..', '.hidden',
        'ünïcödé', 'e\u0301 combining', '\u00e9 precomposed', '日本語', '🧠 brain', '\uffef high', 'a'.repeat(255), 'colon:pipe|caret^',
      ] // prettier-ignore
      for (const name of names) {
        expect([name, await store.putIfAbsent(`${folder}/${name}`, text(name))]).toEqual([name, made])
      }
      for (const name of names) {
        expect(Buffer.from(await store.get(`${folder}/${name}`)).toString()).toBe(name)
        expect(await store.head(`${folder}/${name}`)).toEqual({ size: Buffer.byteLength(name) })
      }
      const listed = (await collect(store.list(`${folder}/`))).map(({ key }) => key)
      expect(listed).toEqual(names.map((name) => `${folder}/${name}`).sort(compareKeys))
      for (const name of names) await store.delete(`${folder}/${name}`)
      expect(await collect(store.list(`${folder}/`))).toEqual([])
    })

    it('refuses keys that would mean different things in different stores', async () => {
      for (const key of [
        '',
        '/',
        'a/',
        '/a',
        'a//b',
        '.',
        '..',
        'a/../b',
        './a',
        'a\0b',
        'a\nb',
        '\ud800',
        'x'.repeat(256),
        'y/'.repeat(500),
      ]) {
        await expect(store.put(key, text('x'))).rejects.toEqual(failure('invalid_path', key))
        await expect(store.get(key)).rejects.toEqual(failure('invalid_path', key))
        await expect(store.delete(key)).rejects.toEqual(failure('invalid_path', key))
      }
    })

    it('lists more than 1,000 keys in byte order, by prefix, and from a cursor', async () => {
      const folder = fresh('list')
      const keys = Array.from(
        { length: 1_105 },
        (_, index) => `${folder}/${index % 3 === 0 ? 'a/' : 'a-'}${index}`,
      )
      const queue = [...keys, `${folder}b`]
      const worker = async () => {
        for (let key = queue.pop(); key !== undefined; key = queue.pop()) await store.put(key, text('12'))
      }
      await Promise.all(Array.from({ length: 16 }, worker))
      const sorted = [...keys].sort(compareKeys)
      expect(await collect(store.list(`${folder}/`))).toEqual(sorted.map((key) => ({ key, size: 2 })))
      expect((await collect(store.list(`${folder}/a/1`))).map(({ key }) => key)).toEqual(
        sorted.filter((key) => key.startsWith(`${folder}/a/1`)),
      )
      for (const place of [0, 500, 1_050, 1_104]) {
        const rest = await collect(store.list(`${folder}/`, sorted[place]))
        expect(rest.map(({ key }) => key)).toEqual(sorted.slice(place + 1))
      }
      expect(await collect(store.list(`${folder}/`, `${folder}/zzz`))).toEqual([])
      expect(await collect(store.list(fresh('nothing')))).toEqual([])
    }, 60_000)

    it('stops fetching when the reader of a listing stops', async () => {
      const folder = fresh('early')
      for (const name of ['a', 'b', 'c']) await store.put(`${folder}/${name}`, text('x'))
      for await (const { key } of store.list(`${folder}/`)) {
        expect(key).toBe(`${folder}/a`)
        break
      }
    })

    it('serves 64 calls at once', async () => {
      const folder = fresh('many')
      const bodies = Array.from({ length: 64 }, (_, index) => randomBytes(1_000 + index))
      await Promise.all(bodies.map((body, index) => store.putIfAbsent(`${folder}/${index}`, body)))
      const back = await Promise.all(bodies.map((_, index) => store.get(`${folder}/${index}`)))
      expect(back.map(sha256)).toEqual(bodies.map(sha256))
    })

    it('throws the reason of an aborted signal', async () => {
      const key = fresh('abort')
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(store.putIfAbsent(key, text('x'), { signal })).rejects.toThrow('enough')
      await expect(store.get(key, { signal })).rejects.toThrow('enough')
      await expect(collect(store.list('', '', { signal }))).rejects.toThrow('enough')
      expect(await store.head(key)).toBeNull()
    })

    const wrong = subject.openWithWrongCredentials?.bind(subject)
    if (wrong !== undefined) {
      it('[ISO-1] is refused to wrong credentials, without a trace', async () => {
        const key = fresh('refused')
        await store.put(key, text('private'))
        for (const intruder of await wrong()) {
          const refused = expect.objectContaining({ code: 'internal' })
          await expect(intruder.probe()).rejects.toEqual(refused)
          await expect(intruder.get(key)).rejects.toEqual(refused)
          await expect(intruder.head(key)).rejects.toEqual(refused)
          await expect(intruder.put(key, text('mine now'))).rejects.toEqual(refused)
          await expect(intruder.putIfAbsent(`${key}-2`, text('mine now'))).rejects.toEqual(refused)
          await expect(intruder.delete(key)).rejects.toEqual(refused)
          await expect(collect(intruder.list(''))).rejects.toEqual(refused)
          await intruder.close()
        }
        expect(Buffer.from(await store.get(key)).toString()).toBe('private')
        expect(await store.head(`${key}-2`)).toBeNull()
      })
    }
  })
}
