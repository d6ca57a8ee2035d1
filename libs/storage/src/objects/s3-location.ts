/** Where in which S3 the objects lie. */
export interface S3Location {
  readonly bucket: string
  /** Put before every key, with a slash between; '' for the whole bucket. */
  readonly prefix: string
  /** Another S3 than AWS: `https://host:port`. */
  readonly endpoint: string | undefined
  readonly region: string
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`; most servers but AWS need it. */
  readonly pathStyle: boolean
  /** `supported`: each PUT carries a CRC32 that the server checks; `required`: for servers that know no such header. */
  readonly checksums: 'supported' | 'required'
}

/** A static pair of keys, with a token where they are temporary. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Limits of waiting. */
export interface S3Patience {
  readonly connectMs: number
  /** One attempt of a GET or HEAD until the answer's headers. */
  readonly answerMs: number
  /** One attempt until the answer's headers, and any pause of the body. */
  readonly attemptMs: number
  /** A whole call with its attempts. */
  readonly callMs: number
  readonly attemptsMax: number
}

/** Patience that rides out a server's restart of a second or two, and tells of an outage within a minute. */
export const DEFAULT_PATIENCE: S3Patience = {
  connectMs: 3_000,
  answerMs: 5_000,
  attemptMs: 20_000,
  callMs: 60_000,
  attemptsMax: 5,
}
