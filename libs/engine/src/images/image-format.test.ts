import { spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { uuidv7 } from '@agentfs/contracts'
import { describe, expect, it } from '@jest/globals'
import { type ImageHead, openImageHead, openImagePage, sealImageHead, sealImagePage } from './image-format.js'

interface Fixture extends Record<'key' | 'tenantId' | 'keyId' | 'imageId' | 'agentId', string> {
  readonly keyVersion: number
  readonly head: { readonly sealed: string; readonly json: ImageHead }
  readonly page: {
    readonly objectId: string
    readonly sealed: string
    readonly json: { readonly rows: readonly object[] }
  }
}

const FIXTURE = new URL('../../fixtures/tree-image-v1.json', import.meta.url)
const READER = fileURLToPath(new URL('../../../crypto/fixtures/afs_sealed.py', import.meta.url))
const fixture = JSON.parse(await readFile(FIXTURE, 'utf8')) as Fixture
const { tenantId, keyId, keyVersion, imageId, agentId } = fixture
const hex = (text: string) => Buffer.from(text, 'hex')
const key = { keyId, keyVersion, key: createSecretKey(hex(fixture.key)) }

/** What the reader in Python makes of the same bytes. */
function inPython(calls: readonly { readonly objectId: string; readonly sealed: string }[]): unknown {
  const asked = calls.map((call) => ({
    call: 'open_tree_image',
    key: fixture.key,
    tenantId,
    keyId,
    ...call,
  }))
  const { stdout, stderr } = spawnSync('python3', [READER, 'run'], {
    input: JSON.stringify(asked),
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}

describe('[DUR-6] an image of a tree', () => {
  it('of version 1 stays readable for ever', () => {
    const head = openImageHead(tenantId, key, { imageId, agentId }, hex(fixture.head.sealed))
    expect(head).toEqual(fixture.head.json)
    const [page] = head.pages
    if (page === undefined) throw new Error('the fixture has no page')
    expect(openImagePage(tenantId, key, imageId, page, hex(fixture.page.sealed))).toEqual(
      fixture.page.json.rows,
    )
  })

  it('is refused where a page is larger than it may be: whoever recovers passes the image over', () => {
    const [image, id] = [uuidv7(), uuidv7()]
    const rows = Array.from({ length: 33 }, () => ({ node_id: uuidv7(), xattrs: 'x'.repeat(2 << 20) }))
    const { sealed, page } = sealImagePage(tenantId, key, image, { id, table: 'nodes', rows })
    expect(() => openImagePage(tenantId, key, image, page, sealed)).toThrow(
      expect.objectContaining({ code: 'object_corrupt' }),
    )
  })

  it('is read without the service, by what docs/FORMATS.md says, and so is what is written now', () => {
    const [image, id] = [uuidv7(), uuidv7()]
    const rows = [{ alias_id: uuidv7(), node_id: uuidv7(), seq: 4 }]
    const { sealed, page } = sealImagePage(tenantId, key, image, { id, table: 'aliases', rows })
    const head: ImageHead = { ...fixture.head.json, image, pages: [page] }
    const sealedHead = sealImageHead(tenantId, key, head)
    expect(
      inPython([
        { objectId: imageId, sealed: fixture.head.sealed },
        { objectId: fixture.page.objectId, sealed: fixture.page.sealed },
        { objectId: image, sealed: sealedHead.toString('hex') },
        { objectId: id, sealed: sealed.toString('hex') },
      ]),
    ).toEqual([
      { result: fixture.head.json },
      { result: fixture.page.json },
      { result: head },
      { result: { v: 1, image, table: 'aliases', rows } },
    ])
  })

  it("[ENC-2] is refused where it is flipped, another agent's, or its page another one", () => {
    const refused = { code: 'object_corrupt' }
    const thrown = (open: () => unknown): unknown => {
      try {
        return open()
      } catch (error) {
        return error
      }
    }
    const sealedHead = hex(fixture.head.sealed)
    const other = { imageId, agentId: uuidv7() }
    expect(thrown(() => openImageHead(tenantId, key, other, sealedHead))).toMatchObject(refused)
    const flipped = Buffer.from(sealedHead)
    flipped[100] = (flipped[100] ?? 0) ^ 1
    expect(thrown(() => openImageHead(tenantId, key, { imageId, agentId }, flipped))).toMatchObject(refused)
    const [page] = fixture.head.json.pages
    if (page === undefined) throw new Error('the fixture has no page')
    const rows = [{ node_id: uuidv7() }]
    const forged = sealImagePage(tenantId, key, imageId, { id: page.id, table: 'nodes', rows })
    expect(thrown(() => openImagePage(tenantId, key, imageId, page, forged.sealed))).toMatchObject(refused)
    expect(thrown(() => openImagePage(tenantId, key, imageId, page, randomBytes(100)))).toMatchObject(refused)
  })
})
