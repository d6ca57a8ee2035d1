// A ledger object: one JSON document, bytes in base64, times in ISO 8601.
//
//   {"format": "agentfs-key-ledger/1", "tenant": "<uuid>",
//    "keks": [{"version": 1, "wrapped": "…", "kms": "…", "createdAt": "…"}],
//    "keys": [{"id": "<uuid>", "purpose": "content", "agent": "<uuid>"|null, "node": "<uuid>"|null, "version": 1,
//              "kekVersion": 1, "wrapped": "…", "createdAt": "…"}],
//    "tombstones": [{"id": "<uuid>", "reason": "…", "at": "…", "record": "…"}]}
//
// The ledger of a tenant is the union of its objects. A tombstone beats a key of that id in whatever object, one of the
// tenant's own id all keys and KEKs; that one has a `record`, sealed, of who erased the tenant. Of a key or
// KEK that stands in several, the copy with the highest (version, kekVersion) counts. Wrapped keys authenticate
// themselves (FORMATS, "Keys"), so the document needs no checksum of its own.
import { AgentfsError, uuid } from '@agentfs/contracts'
import type { KeyLedgerRows } from '@agentfs/storage'
import { z } from 'zod'

const FORMAT = 'agentfs-key-ledger/1'

const time = z.iso.datetime().transform((text) => new Date(text))
const bytes = z.base64().transform((text) => Buffer.from(text, 'base64'))
const ledger = z.object({
  format: z.literal(FORMAT),
  tenant: uuid,
  keks: z.array(z.object({ version: z.int(), wrapped: bytes, kms: z.string(), createdAt: time })),
  keys: z.array(
    z.object({
      id: uuid,
      purpose: z.string(),
      agent: uuid.nullable(),
      node: uuid.nullable(),
      version: z.int(),
      kekVersion: z.int(),
      wrapped: bytes,
      createdAt: time,
    }),
  ),
  tombstones: z.array(z.object({ id: uuid, reason: z.string(), at: time, record: bytes.optional() })),
})

/** Key rows as the bytes of a ledger object. */
export function encodeKeyLedger(tenantId: string, rows: KeyLedgerRows): Buffer {
  const document: z.input<typeof ledger> = {
    format: FORMAT,
    tenant: tenantId,
    keks: rows.keks.map(({ kekVersion, wrapped, kms, createdAt }) => ({
      version: kekVersion,
      wrapped: base64(wrapped),
      kms,
      createdAt: createdAt.toISOString(),
    })),
    keys: rows.keys.map((key) => ({
      id: key.keyId,
      purpose: key.purpose,
      agent: key.agentId,
      node: key.nodeId,
      version: key.keyVersion,
      kekVersion: key.kekVersion,
      wrapped: base64(key.wrapped),
      createdAt: key.createdAt.toISOString(),
    })),
    tombstones: rows.tombstones.map(({ keyId, reason, at, record }) => ({
      id: keyId,
      reason,
      at: at.toISOString(),
      ...(record === null ? {} : { record: base64(record) }),
    })),
  }
  return Buffer.from(`${JSON.stringify(document)}\n`)
}

/** The key rows of a ledger object; `object_corrupt`, naming it, where it is damaged or another tenant's. */
export function decodeKeyLedger(tenantId: string, objectKey: string, body: Uint8Array): KeyLedgerRows {
  const corrupt = (cause?: unknown): AgentfsError =>
    new AgentfsError('object_corrupt', { object: objectKey, objectKind: 'key_ledger' }, { cause })
  const parsed = ledger.safeParse(parseJson(body))
  if (!parsed.success) throw corrupt(parsed.error)
  const { tenant, keks, keys, tombstones } = parsed.data
  if (tenant !== tenantId) throw corrupt(new Error(`it belongs to tenant ${tenant}`))
  return {
    keks: keks.map(({ version, ...kek }) => ({ kekVersion: version, ...kek })),
    keys: keys.map(({ id, agent, node, version, ...key }) => ({
      keyId: id,
      agentId: agent,
      nodeId: node,
      keyVersion: version,
      ...key,
    })),
    tombstones: tombstones.map(({ id, reason, at, record = null }) => ({ keyId: id, reason, at, record })),
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
}
