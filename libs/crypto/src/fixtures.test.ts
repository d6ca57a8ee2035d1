import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import { contentMac, contentMacKey } from './content-mac.js'
import { formatApiKey, hashApiKey, parseApiKey } from './credentials.js'
import { decodeExtentPage, type Extent } from './extent.js'
import { KeyFileKms } from './key-file-kms.js'
import {
  encodeManifest,
  type Manifest,
  openExtentPage,
  openManifest,
  sealManifest,
  verifyPagedExtents,
} from './manifest.js'
import type { ObjectKind } from './object-header.js'
import { openObject, sealObject } from './sealed-object.js'
import { unwrapKey, wrapKey } from './wrapped-key.js'

const FOLDER = new URL('../fixtures/', import.meta.url)
const PROGRAM = fileURLToPath(new URL('afs_sealed.py', FOLDER))
const hex = (text: string) => Buffer.from(text, 'hex')

interface ObjectFixture {
  readonly name: string
  readonly key: string
  readonly keyVersion: number
  readonly kind: ObjectKind
  readonly tenantId: string
  readonly keyId: string
  readonly objectId: string
  readonly salt: string
  readonly plaintext: string
  readonly sealed: string
}

interface PlainManifest extends Omit<Manifest, 'contentHash' | 'extents'> {
  readonly contentHash: string
  readonly paged: boolean
  readonly pagesHashed?: true
  readonly entries: readonly (Omit<Extent, 'mac'> & { readonly mac: string })[]
}

interface Fixtures {
  readonly objects: readonly ObjectFixture[]
  readonly manifests: readonly (ObjectFixture & { readonly manifest: PlainManifest })[]
  readonly wrappedKey: Record<'kek' | 'tenantId' | 'keyId' | 'key' | 'iv' | 'wrapped', string> &
    Record<'kekVersion' | 'keyVersion', number>
  readonly keyFile: Record<'file' | 'tenantId' | 'purpose' | 'plaintext' | 'wrapped', string> & {
    readonly kekVersion: number
  }
  readonly contentMac: Record<'contentKey' | 'plaintext' | 'mac', string>
  readonly apiKey: Record<'tenantId' | 'id' | 'secret' | 'text' | 'pepper' | 'hash', string>
}

const fixtures = JSON.parse(await readFile(new URL('sealed-v1.json', FOLDER), 'utf8')) as Fixtures

describe('fixtures of version 1, which must stay readable for ever', () => {
  it.each(fixtures.objects)('[ENC-2] object: $name', (fixture) => {
    const place = { ...fixture, key: hex(fixture.key) }
    expect(openObject(place, hex(fixture.sealed)).toString('hex')).toBe(fixture.plaintext)
    expect(sealObject(place, hex(fixture.plaintext), hex(fixture.salt)).toString('hex')).toBe(fixture.sealed)
  })

  it.each(fixtures.manifests)('[ENC-2] $name', (fixture) => {
    const place = { ...fixture, key: hex(fixture.key) }
    const manifest = openManifest(place, fixture.objectId, hex(fixture.sealed))
    expect(plainManifest(manifest)).toEqual(fixture.manifest)
    expect(encodeManifest(manifest).toString('hex')).toBe(fixture.plaintext)
    expect(sealManifest(place, manifest, hex(fixture.salt)).toString('hex')).toBe(fixture.sealed)
  })

  it('[ENC-2] a page of extents, which the hash of its manifest covers', () => {
    const paged = fixtures.manifests.find(({ name }) => name === 'paged manifest')
    const page = fixtures.objects.find(({ name }) => name === 'page of extents')
    if (paged === undefined || page === undefined) throw new Error('fixtures are missing')
    const manifest = openManifest({ ...paged, key: hex(paged.key) }, paged.objectId, hex(paged.sealed))
    const [reference] = manifest.extents.kind === 'paged' ? manifest.extents.pages : []
    if (reference === undefined) throw new Error('the manifest lists no page')
    const plaintext = openObject({ ...page, key: hex(page.key) }, hex(page.sealed))
    const mac = contentMac(contentMacKey(hex(page.key)), plaintext)
    expect(mac.equals(reference.mac)).toBe(true)
    const extents = decodeExtentPage(reference, plaintext)
    expect(extents).toHaveLength(65)
    verifyPagedExtents(manifest, extents)
    const source = { ...page, key: hex(page.key) }
    expect(openExtentPage(source, reference, hex(page.sealed))).toEqual(extents)
    const other = { ...reference, mac: Buffer.alloc(32) }
    const named = expect.objectContaining({ details: expect.objectContaining({ objectId: page.objectId }) })
    expect(() => openExtentPage(source, other, hex(page.sealed))).toThrow(named)
  })

  it('[ENC-2] a wrapped key, and a key wrapped by a key file', async () => {
    const { kek, key, iv, wrapped, ...place } = fixtures.wrappedKey
    expect(unwrapKey({ ...place, kek: hex(kek) }, hex(wrapped)).toString('hex')).toBe(key)
    expect(wrapKey({ ...place, kek: hex(kek) }, hex(key), hex(iv)).toString('hex')).toBe(wrapped)
    const { file, plaintext, wrapped: wrappedKek, ...context } = fixtures.keyFile
    const unwrapped = await withKeyFile(file, (kms) => kms.unwrap(context, hex(wrappedKek)))
    expect(unwrapped.toString('hex')).toBe(plaintext)
  })

  it('a keyed hash, and an API key with its stored hash', () => {
    const { contentKey, plaintext, mac } = fixtures.contentMac
    expect(contentMac(contentMacKey(hex(contentKey)), hex(plaintext)).toString('hex')).toBe(mac)
    const { tenantId, id, secret, text, pepper, hash } = fixtures.apiKey
    expect(formatApiKey('live', tenantId, id, hex(secret))).toBe(text)
    expect(parseApiKey(text)).toMatchObject({ tenantId, id })
    expect(hashApiKey(hex(pepper), text).toString('hex')).toBe(hash)
  })
})

describe('the independent implementation in Python', () => {
  it('makes the committed fixtures', () => {
    expect(JSON.parse(python('fixtures'))).toEqual(fixtures)
  })

  it('[ENC-1] opens what is sealed here, refuses what was changed, and seals what is opened here', () => {
    const place = { ...fixtures.objects[0], key: randomBytes(32).toString('hex') } as ObjectFixture
    const lengths = [0, 1, 1000, 16_383, 16_384, 16_385, 100_000]
    const plaintexts = lengths.map((length) => randomBytes(length).toString('hex'))
    const key = hex(place.key)
    const sealed = plaintexts.map((plaintext) => sealObject({ ...place, key }, hex(plaintext)))
    const opens = sealed.map((bytes) => ({ ...place, call: 'open_object', sealed: bytes.toString('hex') }))
    expect(run(opens)).toEqual(plaintexts.map((result) => ({ result })))

    const changed = sealed.map((bytes) => bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1))
    const refused = changed.map((bytes) => ({
      ...place,
      call: 'open_object',
      sealed: Buffer.from(bytes).toString('hex'),
    }))
    expect(run(refused).every((answer) => 'refused' in answer)).toBe(true)

    const seals = plaintexts.map((plaintext) => ({ ...place, call: 'seal_object', plaintext }))
    const opened = run(seals).map(({ result }) => openObject({ ...place, key }, hex(String(result))))
    expect(opened.map((bytes) => bytes.toString('hex'))).toEqual(plaintexts)
  })

  it('[ENC-1] reads a manifest, a wrapped key and a key file made here, and wraps what is unwrapped here', async () => {
    const [fixture] = fixtures.manifests
    if (fixture === undefined) throw new Error('fixtures are missing')
    const place = { ...fixture, key: hex(fixture.key) }
    const manifest = openManifest(place, fixture.objectId, hex(fixture.sealed))
    const sealed = sealManifest(place, manifest).toString('hex')

    const { kek, key, ...binding } = fixtures.wrappedKey
    const wrapped = wrapKey({ ...binding, kek: hex(kek) }, hex(key)).toString('hex')

    const { file, ...context } = fixtures.keyFile
    const wrappedKek = await withKeyFile(file, (kms) => kms.wrap(context, hex(kek)))

    const [read, unwrapped, unwrappedKek, wrappedThere] = run([
      { ...fixture, call: 'open_manifest', sealed },
      { ...fixtures.wrappedKey, call: 'unwrap_key', wrapped },
      { ...fixtures.keyFile, call: 'key_file_unwrap', wrapped: wrappedKek.toString('hex') },
      { ...fixtures.wrappedKey, call: 'wrap_key' },
    ])
    expect(read).toEqual({ result: fixture.manifest })
    expect(unwrapped).toEqual({ result: key })
    expect(unwrappedKek).toEqual({ result: kek })
    const unwrappedHere = unwrapKey({ ...binding, kek: hex(kek) }, hex(String(wrappedThere?.result)))
    expect(unwrappedHere.toString('hex')).toBe(key)
  })
})

interface Answer {
  readonly result?: unknown
  readonly refused?: string
}

function run(calls: readonly object[]): Answer[] {
  return JSON.parse(python('run', JSON.stringify(calls))) as Answer[]
}

function python(command: string, input = ''): string {
  const probe = spawnSync('python3', ['-c', 'import cryptography'], { encoding: 'utf8' })
  if (probe.status !== 0)
    throw new Error(
      `These tests need python3 with the package cryptography (python3 -m pip install cryptography): ${
        probe.error?.message ?? probe.stderr
      }`,
    )
  const ran = spawnSync('python3', [PROGRAM, command], { input, encoding: 'utf8', maxBuffer: 64 * 1_048_576 })
  if (ran.status !== 0) throw new Error(`afs_sealed.py ${command} failed: ${ran.stderr}`)
  return ran.stdout
}

async function withKeyFile<Result>(text: string, use: (kms: KeyFileKms) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'agentfs-fixture-'))
  try {
    const path = join(folder, 'kms.json')
    await writeFile(path, text, { mode: 0o600 })
    return await use(await KeyFileKms.open({ path, create: false }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function plainManifest({ contentHash, extents, ...rest }: Manifest): PlainManifest {
  const entries = extents.kind === 'paged' ? extents.pages : extents.extents
  return {
    ...rest,
    contentHash: Buffer.from(contentHash).toString('hex'),
    paged: extents.kind === 'paged',
    ...(extents.kind === 'paged' && extents.hashed === undefined ? { pagesHashed: true } : {}),
    entries: entries.map((entry) => ({ ...entry, mac: Buffer.from(entry.mac).toString('hex') })),
  }
}
