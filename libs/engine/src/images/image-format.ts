// A tree image: objects `tenants/<tenant>/agents/<agent>/tree/<image id>-<object id>`, each sealed as kind 4 under the
// stream's key and its own id; inside zlib (RFC 1950) of JSON.
//
//   the head, whose object id is the image's:
//     {"v": 1, "image", "agent", "epoch", "seq", "at", "log": {"size", "range" in hex}, "segments": [ids],
//      "pages": [{"id", "table", "rows", "sha256" of the sealed page in hex}]}
//   a page: {"v": 1, "image", "table", "rows": [{column: value}]}
//
// The head is written last: an image without one is none.
import { hash } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'
import { AgentfsError } from '@agentfs/contracts'
import { openObject, sealObject } from '@agentfs/crypto'
import { IMAGE_TABLES, type ImageRow, type ImageTable } from '@agentfs/storage'
import type { UsableKey } from '../keys/key-vault.js'

/** Above this a page or a head is taken for damage. */
const BYTES_MAX = 64 << 20

/** A page of an image, as its head names it. */
export interface ImagePage {
  readonly id: string
  readonly table: ImageTable
  readonly rows: number
  readonly sha256: string
}

/** What an image is of, and where its rows stand. */
export interface ImageHead {
  readonly v: 1
  readonly image: string
  readonly agent: string
  /** The last commit that is in it. */
  readonly epoch: number
  readonly seq: number
  readonly at: string
  /** The log up to that commit: what the records before it must come to. */
  readonly log: { readonly size: number; readonly range: string }
  /** Segments that its rows may point at; what is in others was stored or moved later. */
  readonly segments: readonly string[]
  readonly pages: readonly ImagePage[]
}

interface PageBody {
  readonly v: 1
  readonly image: string
  readonly table: ImageTable
  readonly rows: readonly ImageRow[]
}

/** Seals the head of an image. */
export function sealImageHead(tenantId: string, key: UsableKey, head: ImageHead): Buffer {
  return seal(tenantId, key, head.image, head)
}

/** Opens one; `object_corrupt` where it is damaged, or another's. */
export function openImageHead(
  tenantId: string,
  key: UsableKey,
  image: { readonly imageId: string; readonly agentId: string },
  sealed: Uint8Array,
): ImageHead {
  // Authenticated bytes that this service sealed: their shape needs no second check.
  const head = open(tenantId, key, image.imageId, sealed) as ImageHead
  if (head.v !== 1 || head.image !== image.imageId || head.agent !== image.agentId)
    throw corrupt(image.imageId, 'an image of something else')
  return head
}

/** Seals a page of an image, and gives it as its head is to name it. */
export function sealImagePage(
  tenantId: string,
  key: UsableKey,
  imageId: string,
  page: { readonly id: string; readonly table: ImageTable; readonly rows: readonly ImageRow[] },
): { readonly sealed: Buffer; readonly page: ImagePage } {
  const { id, table, rows } = page
  const body: PageBody = { v: 1, image: imageId, table, rows }
  const sealed = seal(tenantId, key, id, body)
  return { sealed, page: { id, table, rows: rows.length, sha256: hash('sha256', sealed, 'hex') } }
}

/** Opens a page; `object_corrupt` where it is not the one that the head names. */
export function openImagePage(
  tenantId: string,
  key: UsableKey,
  imageId: string,
  page: ImagePage,
  sealed: Uint8Array,
): readonly ImageRow[] {
  if (hash('sha256', sealed, 'hex') !== page.sha256) throw corrupt(page.id, 'not the page of its image')
  const body = open(tenantId, key, page.id, sealed) as PageBody
  const whole = body.v === 1 && body.image === imageId && body.rows.length === page.rows
  if (!whole || body.table !== page.table || !IMAGE_TABLES.includes(body.table))
    throw corrupt(page.id, 'a page of something else')
  return body.rows
}

function seal(tenantId: string, key: UsableKey, objectId: string, body: ImageHead | PageBody): Buffer {
  const plain = deflateSync(Buffer.from(JSON.stringify(body), 'utf8'))
  return sealObject({ kind: 'tree_image', tenantId, objectId, ...key }, plain)
}

function open(tenantId: string, key: UsableKey, objectId: string, sealed: Uint8Array): unknown {
  const plain = openObject({ kind: 'tree_image', tenantId, objectId, ...key }, sealed)
  return JSON.parse(inflated(objectId, plain).toString('utf8')) as unknown
}

/** What is larger than it may be is passed over like what is damaged. */
function inflated(objectId: string, plain: Uint8Array): Buffer {
  try {
    return inflateSync(plain, { maxOutputLength: BYTES_MAX })
  } catch (cause) {
    throw corrupt(objectId, 'too large, or no deflated bytes', cause)
  }
}

function corrupt(objectId: string, reason: string, cause?: unknown): AgentfsError {
  return new AgentfsError('object_corrupt', { objectId, objectKind: 'tree_image', reason }, { cause })
}
