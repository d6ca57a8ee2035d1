// A C2SP signed note (https://c2sp.org/signed-note) with Ed25519 signatures:
//
//   text, ending in a newline
//   (empty line)
//   — <key name> base64(key id[4] | signature[64])        one line per signature
//
// key id = first 4 bytes of SHA-256(key name | "\n" | 0x01 | public key[32])
// A verifier key is written <key name>+<key id in hex>+base64(0x01 | public key[32]).
import { hash, type KeyObject, sign, verify } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { ed25519PublicKey, ed25519RawPublicKey } from './ed25519.js'

/** Who signs: a name without spaces or `+`, and an Ed25519 private key. */
export interface NoteSigner {
  readonly name: string
  readonly privateKey: KeyObject
}

/** Whose signatures count. */
export interface NoteVerifier {
  readonly name: string
  readonly publicKey: KeyObject
}

/** A note of which at least one known key proved the text. */
export interface OpenedNote {
  readonly text: string
  readonly signers: readonly string[]
}

/** Signs a text, which must end in a newline and hold no other control characters. */
export function signNote(text: string, ...signers: readonly NoteSigner[]): string {
  if (!TEXT.test(text) || LONE_SURROGATE.test(text))
    throw new RangeError('a note is lines of plain UTF-8 text')
  const lines = signers.map(({ name, privateKey }) => {
    const id = keyId(name, ed25519RawPublicKey(privateKey))
    const signature = sign(null, Buffer.from(text, 'utf8'), privateKey)
    return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
  })
  return `${text}\n${lines.join('')}`
}

/** The text of a note; `object_corrupt` unless every signature of a known key is right, and there is one. */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): OpenedNote {
  const split = note.lastIndexOf('\n\n')
  const text = note.slice(0, split + 1)
  const lines = note.slice(split + 2)
  if (split < 0 || note.length > NOTE_CHARACTERS_MAX || !TEXT.test(text) || !lines.endsWith('\n'))
    throw corrupt('not a signed note')
  const signers: string[] = []
  for (const line of lines.slice(0, -1).split('\n')) {
    const { name, id, signature } = parseSignature(line)
    const known = verifiers.find(
      (verifier) => verifier.name === name && keyId(name, ed25519RawPublicKey(verifier.publicKey)).equals(id),
    )
    if (known === undefined) continue
    if (!verify(null, Buffer.from(text, 'utf8'), known.publicKey, signature))
      throw corrupt(`the signature of ${name} is wrong`)
    signers.push(name)
  }
  if (signers.length === 0) throw corrupt('no known key has signed it')
  return { text, signers }
}

/** The text form of a verifier key. */
export function formatVerifierKey({ name, publicKey }: NoteVerifier): string {
  const raw = ed25519RawPublicKey(publicKey)
  const encoded = Buffer.concat([ED25519_TYPE, raw]).toString('base64')
  return `${name}+${keyId(name, raw).toString('hex')}+${encoded}`
}

/** Reads a verifier key; `invalid_request` when it is none, or not an Ed25519 one. */
export function parseVerifierKey(text: string): NoteVerifier {
  const { name, id, key } = VERIFIER_KEY.exec(text)?.groups ?? {}
  const raw = Buffer.from(key ?? '', 'base64')
  const known = raw.length === 33 && raw[0] === 1
  if (!known || name === undefined || keyId(name, raw.subarray(1)).toString('hex') !== id)
    throw new AgentfsError('invalid_request', { detail: `Not an Ed25519 verifier key: ${text}` })
  return { name, publicKey: ed25519PublicKey(raw.subarray(1)) }
}

const NOTE_CHARACTERS_MAX = 64 * 1_048_576
const SIGNATURE_BYTES = 64
const ED25519_TYPE = Uint8Array.of(1)
const NAME = /^[^\s+]+$/u
// eslint-disable-next-line no-control-regex -- control characters are what it keeps out
const TEXT = /^(?:[^\u0000-\u001f]*\n)+$/u
const LONE_SURROGATE = /\p{Surrogate}/u
const SIGNATURE = /^— (?<name>\S+) (?<blob>[A-Za-z0-9+/]+={0,2})$/u
const VERIFIER_KEY = /^(?<name>[^\s+]+)\+(?<id>[0-9a-f]{8})\+(?<key>[A-Za-z0-9+/]+={0,2})$/u

function keyId(name: string, rawPublicKey: Uint8Array): Buffer {
  if (!NAME.test(name)) throw new RangeError(`a key name has no spaces and no +: ${JSON.stringify(name)}`)
  const named = Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), ED25519_TYPE, rawPublicKey])
  return hash('sha256', named, 'buffer').subarray(0, 4)
}

function parseSignature(line: string): { name: string; id: Buffer; signature: Buffer } {
  const { name, blob } = SIGNATURE.exec(line)?.groups ?? {}
  const bytes = Buffer.from(blob ?? '', 'base64')
  // Other algorithms have other lengths: such a line is well formed, and unknown.
  if (name === undefined || bytes.length < 5) throw corrupt('a signature line is malformed')
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4, 4 + SIGNATURE_BYTES + 1) }
}

function corrupt(reason: string): AgentfsError {
  return new AgentfsError('object_corrupt', { objectKind: 'signed_note', reason })
}
