import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AgentfsError } from '@agentfs/contracts'
import {
  assertRange,
  objectMissing,
  objectTooShort,
  storeRefuses,
  storeUnavailable,
} from './object-errors.js'
import { assertObjectKey, assertObjectPrefix } from './object-key.js'
import type {
  CreateOutcome,
  ObjectCallOptions,
  ObjectListing,
  ObjectStore,
  ObjectStoreDescription,
} from './object-store.js'
import { withRetries } from './retry.js'
import { isBareNotFound, s3Failure } from './s3-failure.js'
import { DEFAULT_PATIENCE, type S3Credentials, type S3Location, type S3Patience } from './s3-location.js'

const SOCKETS_MAX = 64
const PAGE_KEYS_MAX = 1_000

/**
 * Objects in a bucket of any S3 that knows conditional writes (`If-None-Match: *`); whether it does is proven by
 * `proveObjectStore`. Without credentials the SDK's own chain finds those of the machine's role.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client
  readonly #location: S3Location
  readonly #patience: S3Patience

  constructor(location: S3Location, credentials?: S3Credentials, patience: S3Patience = DEFAULT_PATIENCE) {
    this.#location = location
    this.#patience = patience
    const checksums = location.checksums === 'supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED'
    // Agents of our own: with the SDK's, each PUT above 2 MiB opens a connection of its own.
    const agent = { keepAlive: true, maxSockets: SOCKETS_MAX }
    this.#client = new S3Client({
      region: location.region,
      forcePathStyle: location.pathStyle,
      ...(location.endpoint === undefined ? {} : { endpoint: location.endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
      requestChecksumCalculation: checksums,
      responseChecksumValidation: checksums,
      expectContinueHeader: false,
      // Our own loop retries: it also covers bodies that break off half way, and it can be aborted.
      maxAttempts: 1,
      requestHandler: {
        httpAgent: new HttpAgent(agent),
        httpsAgent: new HttpsAgent(agent),
        connectionTimeout: patience.connectMs,
        requestTimeout: patience.attemptMs,
        socketTimeout: patience.attemptMs,
        throwOnRequestTimeout: true,
        socketAcquisitionWarningTimeout: patience.callMs,
      },
    })
  }

  async putIfAbsent(key: string, body: Uint8Array, options: ObjectCallOptions = {}): Promise<CreateOutcome> {
    const input = { ...this.#address(key), Body: body, ContentLength: body.length, IfNoneMatch: '*' }
    try {
      // A 409 says that another conditional write of the key was under way: only the next attempt tells who won.
      await this.#call(key, options, (abortSignal) =>
        this.#client.send(new PutObjectCommand(input), { abortSignal }),
      )
      return 'created'
    } catch (error) {
      if (s3Failure(causeOf(error)).kind === 'exists') return 'exists'
      throw error
    }
  }

  async put(key: string, body: Uint8Array, options: ObjectCallOptions = {}): Promise<void> {
    const input = { ...this.#address(key), Body: body, ContentLength: body.length }
    await this.#call(key, options, (abortSignal) =>
      this.#client.send(new PutObjectCommand(input), { abortSignal }),
    )
  }

  async get(key: string, options: ObjectCallOptions = {}): Promise<Uint8Array> {
    return this.#download(key, undefined, options)
  }

  async getRange(
    key: string,
    from: number,
    length: number,
    options: ObjectCallOptions = {},
  ): Promise<Uint8Array> {
    assertRange(key, from, length)
    // HTTP has no range of no bytes.
    if (length === 0) {
      const found = await this.head(key, options)
      if (found === null) throw objectMissing(key)
      if (from > found.size) throw objectTooShort(key, from, length)
      return new Uint8Array(0)
    }
    const bytes = await this.#download(key, `bytes=${from}-${from + length - 1}`, options)
    if (bytes.length !== length) throw objectTooShort(key, from, length)
    return bytes
  }

  async head(key: string, options: ObjectCallOptions = {}): Promise<{ readonly size: number } | null> {
    const address = this.#address(key)
    const requestTimeout = this.#patience.answerMs
    try {
      const { ContentLength } = await this.#call(key, options, (abortSignal) =>
        this.#client.send(new HeadObjectCommand(address), { abortSignal, requestTimeout }),
      )
      if (ContentLength === undefined) throw storeUnavailable(key, new Error('a HEAD without a length'))
      return { size: ContentLength }
    } catch (error) {
      if (!isBareNotFound(causeOf(error))) throw error
    }
    // The answer to a HEAD has no body, so it may mean a missing bucket or an unknown access key: a GET tells.
    try {
      return { size: (await this.get(key, options)).length }
    } catch (error) {
      if (error instanceof AgentfsError && error.code === 'not_found') return null
      throw error
    }
  }

  async *list(prefix: string, cursor = '', options: ObjectCallOptions = {}): AsyncGenerator<ObjectListing> {
    assertObjectPrefix(prefix)
    const base = this.#base()
    let place: { StartAfter?: string; ContinuationToken?: string } =
      cursor === '' ? {} : { StartAfter: base + cursor }
    for (;;) {
      const page = await this.#page(
        { Prefix: base + prefix, MaxKeys: PAGE_KEYS_MAX, ...place },
        prefix,
        options,
      )
      for (const { Key, Size } of page.Contents ?? []) {
        if (Key !== undefined && Size !== undefined) yield { key: Key.slice(base.length), size: Size }
      }
      if (page.IsTruncated !== true || page.NextContinuationToken === undefined) return
      place = { ContinuationToken: page.NextContinuationToken }
    }
  }

  async delete(key: string, options: ObjectCallOptions = {}): Promise<void> {
    const address = this.#address(key)
    try {
      await this.#call(key, options, (abortSignal) =>
        this.#client.send(new DeleteObjectCommand(address), { abortSignal }),
      )
    } catch (error) {
      if (!(error instanceof AgentfsError && error.code === 'not_found')) throw error
    }
  }

  async probe(options: ObjectCallOptions = {}): Promise<void> {
    const input = { Bucket: this.#location.bucket, Prefix: this.#base(), MaxKeys: 1 }
    await this.#call('', options, (abortSignal) =>
      this.#client.send(new ListObjectsV2Command(input), { abortSignal }),
    )
  }

  describe(): ObjectStoreDescription {
    const { endpoint, region, bucket } = this.#location
    return { kind: 's3', location: `s3://${bucket}/${this.#base()} at ${endpoint ?? `AWS ${region}`}` }
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  async #page(
    input: Omit<ListObjectsV2CommandInput, 'Bucket'>,
    prefix: string,
    options: ObjectCallOptions,
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({ ...input, Bucket: this.#location.bucket })
    return this.#call(prefix, options, (abortSignal) => this.#client.send(command, { abortSignal }))
  }

  async #download(key: string, range: string | undefined, options: ObjectCallOptions): Promise<Uint8Array> {
    const input = { ...this.#address(key), ...(range === undefined ? {} : { Range: range }) }
    return this.#call(key, options, async (abortSignal) => {
      const sending = { abortSignal, requestTimeout: this.#patience.answerMs }
      const { Body, ContentLength } = await this.#client.send(new GetObjectCommand(input), sending)
      const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array(0)
      if (ContentLength !== undefined && bytes.length !== ContentLength) throw new Error('the body broke off')
      return bytes
    })
  }

  /** Attempts within the call's time; throws AgentfsErrors only, or the reason of the caller's signal. */
  async #call<T>(
    key: string,
    options: ObjectCallOptions,
    send: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    options.signal?.throwIfAborted()
    const deadline = AbortSignal.timeout(this.#patience.callMs)
    const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline])
    const judge = (error: unknown) => {
      const failure = s3Failure(error)
      if (failure.kind !== 'passing') return { retry: false } as const
      return { retry: true, pauseSeconds: failure.retryAfterSeconds } as const
    }
    try {
      return await withRetries(async () => send(signal), judge, this.#patience.attemptsMax, signal)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw this.#translated(key, error)
    }
  }

  #translated(key: string, error: unknown): AgentfsError {
    if (error instanceof AgentfsError) return error
    const failure = s3Failure(error)
    switch (failure.kind) {
      case 'missing':
        return objectMissing(key, error)
      case 'range':
        return new AgentfsError(
          'object_corrupt',
          { object: key, detail: `object ${key} ends before the range asked for` },
          { cause: error },
        )
      case 'exists':
      case 'refused':
        return storeRefuses(key, error)
      case 'passing':
        return storeUnavailable(key, error, failure.retryAfterSeconds)
    }
  }

  #address(key: string): { readonly Bucket: string; readonly Key: string } {
    assertObjectKey(key)
    return { Bucket: this.#location.bucket, Key: this.#base() + key }
  }

  #base(): string {
    return this.#location.prefix === '' ? '' : `${this.#location.prefix}/`
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof AgentfsError ? error.cause : error
}
