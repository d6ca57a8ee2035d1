/** What a key-encryption key is bound to at its KMS; unwrapping under another context is refused. */
export interface KmsContext {
  /** Lower-case UUID; the nil UUID for secrets of the whole service. */
  readonly tenantId: string
  readonly kekVersion: number
  /** What the wrapped bytes are for, such as `kek`, `pepper` or `token-signing`. */
  readonly purpose: string
}

/** Which KMS key a provider uses, for operators and for fsck. */
export interface KmsDescription {
  /** `key-file`, later `aws-kms` and `vault-transit`. */
  readonly provider: string
  /** Stable name of the root key, whatever its version. */
  readonly rootKeyId: string
  /** Version under which `wrap` and `rewrap` wrap now. */
  readonly rootKeyVersion: number
}

/**
 * A key management service. Every method may be called again after a failure. Failures: `kms_unavailable` when
 * the service cannot answer or has lost the root key version; `object_corrupt` when the bytes were not wrapped
 * by it under this context.
 */
export interface Kms {
  /** Wraps up to 4 KiB under the newest version of the root key. */
  wrap(context: KmsContext, plaintext: Uint8Array): Promise<Buffer>
  /** Opens what any version of the root key wrapped. */
  unwrap(context: KmsContext, wrapped: Uint8Array): Promise<Buffer>
  /** Wraps anew under the newest version of the root key; the plaintext does not leave the provider. */
  rewrap(context: KmsContext, wrapped: Uint8Array): Promise<Buffer>
  describe(): Promise<KmsDescription>
}

/** Bytes a provider must be able to wrap. */
export const KMS_PLAINTEXT_BYTES_MAX = 4096

/** The tenant id of secrets that belong to the whole service. */
export const SERVICE_TENANT_ID = '00000000-0000-0000-0000-000000000000'
