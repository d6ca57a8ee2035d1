import type { ProxiedRequest } from './fault-proxy.js'

/** What an S3 client asks for, as far as faults tell it apart. */
export type S3Operation = 'PUT' | 'GET' | 'HEAD' | 'DELETE' | 'LIST' | 'OTHER'

/** A request in the words of S3. */
export interface S3Request {
  readonly operation: S3Operation
  /** The object's key; for a LIST the prefix asked for. */
  readonly key: string
}

/** Reads a path-style request: `/bucket/key`, or `/bucket?list-type=2&prefix=…`. */
export function s3RequestOf({ method, path }: ProxiedRequest): S3Request {
  const { pathname, searchParams } = new URL(path, 'http://any')
  const slash = pathname.indexOf('/', 1)
  const key = slash === -1 ? '' : decodeURIComponent(pathname.slice(slash + 1))
  if (key === '' && method === 'GET') return { operation: 'LIST', key: searchParams.get('prefix') ?? '' }
  const plain = method === 'PUT' || method === 'GET' || method === 'HEAD' || method === 'DELETE'
  return { operation: plain ? method : 'OTHER', key }
}
