// An API key, 95 characters, greppable by secret scanners:
//
//   afs_<live|test>_<tenant 22>_<id 12>_<secret 43>_<crc32 6>
//
// tenant is the UUID, secret 32 random bytes, crc32 (zlib's) that of all before its underscore; each a big-endian
// number in base 62 (0-9A-Za-z). The id is 12 random digits, which name the key in lists and logs.
import { createHmac, type KeyObject, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { AgentfsError } from '@agentfs/contracts'
import { fromBase62, toBase62 } from './base62.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from './uuid-bytes.js'

/** Where a key is meant to be used; it is part of the key, so that a test key never works on live data. */
export type ApiKeyEnvironment = 'live' | 'test'

/** What an API key says about itself; `text` is the whole secret. */
export interface ApiKey {
  readonly environment: ApiKeyEnvironment
  readonly tenantId: string
  readonly id: string
  readonly text: string
}

/** Makes a new API key of a tenant. The text is shown once and stored only as `hashApiKey`. */
export function makeApiKey(environment: ApiKeyEnvironment, tenantId: string): ApiKey {
  const id = toBase62(randomBelow62To12(), ID_DIGITS)
  return {
    environment,
    tenantId,
    id,
    text: formatApiKey(environment, tenantId, id, randomBytes(SECRET_BYTES)),
  }
}

/** The text of a key with a given id and 32-byte secret; for fixtures, `makeApiKey` chooses them at random. */
export function formatApiKey(
  environment: ApiKeyEnvironment,
  tenantId: string,
  id: string,
  secret: Uint8Array,
): string {
  const tenant = toBase62(uuidToBytes(tenantId), TENANT_DIGITS)
  const body = `afs_${environment}_${tenant}_${id}_${toBase62(secret, SECRET_DIGITS)}`
  return `${body}_${checksum(body)}`
}

/** True when a credential claims to be an API key rather than an access token. */
export function isApiKeyText(text: string): boolean {
  return text.startsWith('afs_')
}

/** Reads a key; `unauthenticated` before any look-up when its form or checksum is wrong. */
export function parseApiKey(text: string): ApiKey {
  const match = PATTERN.exec(text)
  const tenant = fromBase62(match?.groups?.['tenant'] ?? '', UUID_BYTES)
  const secret = fromBase62(match?.groups?.['secret'] ?? '', SECRET_BYTES)
  const body = text.slice(0, -1 - CHECKSUM_DIGITS)
  if (!match || !tenant || !secret || checksum(body) !== match.groups?.['checksum'])
    throw new AgentfsError('unauthenticated', { detail: MALFORMED })
  const environment = match.groups['environment'] === 'live' ? 'live' : 'test'
  return { environment, tenantId: uuidFromBytes(tenant), id: match.groups['id'] ?? '', text }
}

/** What is stored of a key: HMAC-SHA-256(pepper, text). */
export function hashApiKey(pepper: Uint8Array | KeyObject, text: string): Buffer {
  return createHmac('sha256', pepper).update(text, 'utf8').digest()
}

/** Compares a presented key with a stored hash in constant time. */
export function apiKeyMatches(pepper: Uint8Array | KeyObject, text: string, storedHash: Uint8Array): boolean {
  const hash = hashApiKey(pepper, text)
  return hash.length === storedHash.length && timingSafeEqual(hash, storedHash)
}

const TENANT_DIGITS = 22
const ID_DIGITS = 12
const SECRET_DIGITS = 43
const SECRET_BYTES = 32
const CHECKSUM_DIGITS = 6
const PATTERN =
  /^afs_(?<environment>live|test)_(?<tenant>[0-9A-Za-z]{22})_(?<id>[0-9A-Za-z]{12})_(?<secret>[0-9A-Za-z]{43})_(?<checksum>[0-9A-Za-z]{6})$/
const MALFORMED =
  'This API key is cut short or mistyped: its checksum does not match. Copy the whole key again.'

function checksum(body: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return toBase62(bytes, CHECKSUM_DIGITS)
}

/** Bytes of a uniform number below 62^12, from two halves, since randomInt ends at 2^48. */
function randomBelow62To12(): Buffer {
  const half = 62 ** 6
  const number = BigInt(randomInt(half)) * BigInt(half) + BigInt(randomInt(half))
  return Buffer.from(number.toString(16).padStart(18, '0'), 'hex')
}
