// Wrapped bytes of the key file KMS. Integers are big-endian.
//
//   0   ver u8 = 1
//   1   root_key_version u32
//   5   iv[12]
//   17  ciphertext[n] | tag[16]
//
// AES-256-GCM with AAD "agentfs/kms/v1\0" | root_key_version u32 | tenant id[16] | kek_version u32 | purpose.
import { type KeyObject, randomBytes } from 'node:crypto'
import { AgentfsError, isAgentfsError } from '@agentfs/contracts'
import { GCM_NONCE_BYTES, gcmOpen, gcmSeal } from './aes-gcm.js'
import { readKeyFile, readOrCreateKeyFile, rotateKeyFile, type RootKeys } from './key-file.js'
import { type Kms, KMS_PLAINTEXT_BYTES_MAX, type KmsContext, type KmsDescription } from './kms.js'
import { uuidToBytes } from './uuid-bytes.js'

/** How a key file is opened. */
export interface KeyFileOptions {
  readonly path: string
  /** Makes the file when it is missing; leave it off once anything was wrapped with it. */
  readonly create: boolean
}

/** The KMS of a standalone service: root keys in a file of mode 0600. Opened with `KeyFileKms.open`. */
export class KeyFileKms implements Kms {
  readonly #path: string
  #root: RootKeys
  #readAtMs = performance.now()

  private constructor(path: string, root: RootKeys) {
    this.#path = path
    this.#root = root
  }

  /** Opens a key file; `kms_unavailable`, with what to type in `detail`, when it is missing, damaged or not private. */
  static async open({ path, create }: KeyFileOptions): Promise<KeyFileKms> {
    return new KeyFileKms(path, await (create ? readOrCreateKeyFile(path) : readKeyFile(path)))
  }

  /** Adds a root key version; other processes learn of it when they meet bytes wrapped under it. */
  async rotate(): Promise<KmsDescription> {
    this.#root = await rotateKeyFile(this.#path)
    this.#readAtMs = performance.now()
    return this.describe()
  }

  async wrap(context: KmsContext, plaintext: Uint8Array): Promise<Buffer> {
    if (plaintext.length > KMS_PLAINTEXT_BYTES_MAX)
      throw new RangeError(`a KMS wraps at most ${KMS_PLAINTEXT_BYTES_MAX} bytes`)
    const version = (await this.#rootKeys()).current
    const prefix = Buffer.alloc(IV_OFFSET)
    prefix.writeUInt8(WRAPPING_VERSION, 0)
    prefix.writeUInt32BE(version, 1)
    const iv = randomBytes(GCM_NONCE_BYTES)
    const sealed = gcmSeal(await this.#rootKey(version), iv, associatedData(version, context), plaintext)
    return Buffer.concat([prefix, iv, sealed])
  }

  async unwrap(context: KmsContext, wrapped: Uint8Array): Promise<Buffer> {
    if (wrapped.length < CIPHERTEXT_OFFSET || wrapped[0] !== WRAPPING_VERSION)
      throw corrupt(context, 'format')
    const version = new DataView(wrapped.buffer, wrapped.byteOffset).getUint32(1)
    const iv = wrapped.subarray(IV_OFFSET, CIPHERTEXT_OFFSET)
    const key = await this.#rootKey(version)
    const plaintext = gcmOpen(key, iv, associatedData(version, context), wrapped.subarray(CIPHERTEXT_OFFSET))
    if (plaintext === undefined) throw corrupt(context, 'tag')
    return plaintext
  }

  async rewrap(context: KmsContext, wrapped: Uint8Array): Promise<Buffer> {
    const plaintext = await this.unwrap(context, wrapped)
    try {
      return await this.wrap(context, plaintext)
    } finally {
      plaintext.fill(0)
    }
  }

  describe(): Promise<KmsDescription> {
    const { id, current } = this.#root
    return Promise.resolve({ provider: 'key-file', rootKeyId: id, rootKeyVersion: current })
  }

  async #rootKey(version: number): Promise<KeyObject> {
    const held = (await this.#rootKeys()).keys.get(version)
    if (held !== undefined) return held
    const key = (await this.#reread()).keys.get(version)
    if (key === undefined) {
      const cause = new Error(
        `${this.#path} holds no root key version ${version}: restore a newer backup of it`,
      )
      throw new AgentfsError('kms_unavailable', {}, { cause })
    }
    return key
  }

  /** Believed for a second, so that whoever takes the file away takes what it opens away, once the leases are over. */
  async #rootKeys(): Promise<RootKeys> {
    return performance.now() - this.#readAtMs < ROOT_TTL_MS ? this.#root : this.#reread()
  }

  async #reread(): Promise<RootKeys> {
    try {
      this.#root = await readKeyFile(this.#path)
      this.#readAtMs = performance.now()
      return this.#root
    } catch (cause) {
      // Past start-up the caller is a user of the service, whom the operator's paths do not concern.
      throw isAgentfsError(cause) ? new AgentfsError('kms_unavailable', {}, { cause }) : cause
    }
  }
}

const ROOT_TTL_MS = 1_000
const WRAPPING_VERSION = 1
const IV_OFFSET = 5
const CIPHERTEXT_OFFSET = IV_OFFSET + GCM_NONCE_BYTES
const CONTEXT_LABEL = Buffer.from('agentfs/kms/v1\0', 'ascii')

function associatedData(rootKeyVersion: number, context: KmsContext): Buffer {
  const version = Buffer.alloc(4)
  version.writeUInt32BE(rootKeyVersion)
  const kekVersion = Buffer.alloc(4)
  kekVersion.writeUInt32BE(context.kekVersion)
  const purpose = Buffer.from(context.purpose, 'utf8')
  return Buffer.concat([CONTEXT_LABEL, version, uuidToBytes(context.tenantId), kekVersion, purpose])
}

function corrupt({ tenantId, purpose, kekVersion }: KmsContext, reason: string): AgentfsError {
  const details = { objectId: tenantId, objectKind: `wrapped_${purpose}`, kekVersion, reason }
  return new AgentfsError('object_corrupt', details)
}
