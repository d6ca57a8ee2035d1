import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentfsError } from '@agentfs/contracts'
import { openFilesystemObjectStore } from './filesystem-object-store.js'
import { GuardedObjectStore } from './guarded-object-store.js'
import { assertObjectKey } from './object-key.js'
import type { S3Credentials, S3Location } from './s3-location.js'
import { S3ObjectStore } from './s3-object-store.js'

const PARAMETERS = new Set(['endpoint', 'region', 'pathStyle', 'checksums'])

/**
 * Opens the store a URL names. `file:///folder` makes the folder where it is missing. For
 * `s3://bucket/prefix?endpoint=https://…&region=…&pathStyle=true&checksums=required` all parameters are optional: without
 * an endpoint it is AWS; with one, path style is the default. Credentials come apart, so that a URL may be printed;
 * without them S3 uses those of the machine's role. Asks nothing of the store yet: `probe` and `proveObjectStore` do.
 * While it is away its calls fail at once, see `GuardedObjectStore`.
 */
export async function openObjectStore(url: string, credentials?: S3Credentials): Promise<GuardedObjectStore> {
  const parsed = parse(url)
  const store =
    parsed.protocol === 'file:'
      ? await openFilesystemObjectStore(folderOf(parsed))
      : new S3ObjectStore(s3LocationOf(parsed), credentials)
  return new GuardedObjectStore(store)
}

function parse(url: string): URL {
  if (!URL.canParse(url)) throw refused('it is no URL; write file:///folder or s3://bucket/prefix')
  const parsed = new URL(url)
  if (parsed.protocol !== 'file:' && parsed.protocol !== 's3:')
    throw refused(`it starts with ${parsed.protocol}, not file: or s3:`)
  if (parsed.username !== '' || parsed.password !== '') throw refused('credentials do not belong into it')
  if (parsed.hash !== '') throw refused('it has a fragment; write # as %23')
  return parsed
}

function folderOf(url: URL): string {
  if (url.hostname !== '')
    throw refused(`${url.hostname} is a host there; write file:///${url.hostname}… with three slashes`)
  if (url.search !== '') throw refused('a folder takes no parameters')
  const folder = fileURLToPath(url)
  if (!isAbsolute(folder) || folder === '/') throw refused('it names no folder')
  return folder.endsWith('/') ? folder.slice(0, -1) : folder
}

/** The parts of an s3: URL; refuses what it does not know, for a misspelt parameter must not be ignored. */
export function s3LocationOf(url: URL): S3Location {
  const unknown = [...url.searchParams.keys()].filter((name) => !PARAMETERS.has(name))
  if (unknown.length > 0)
    throw refused(`unknown parameter ${unknown.join(', ')}; there are ${[...PARAMETERS].join(', ')}`)
  if (url.hostname === '') throw refused('it names no bucket')
  const endpoint = endpointOf(url.searchParams.get('endpoint'))
  const prefix = decodeURIComponent(url.pathname).replace(/^\//, '').replace(/\/$/, '')
  if (prefix !== '') assertObjectKey(prefix)
  return {
    bucket: url.hostname,
    prefix,
    endpoint,
    region: url.searchParams.get('region') ?? 'us-east-1',
    pathStyle:
      oneOf(url, 'pathStyle', ['true', 'false'], endpoint === undefined ? 'false' : 'true') === 'true',
    checksums: oneOf(url, 'checksums', ['supported', 'required'], 'supported'),
  }
}

function endpointOf(text: string | null): string | undefined {
  if (text === null) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.username !== ''
  ) {
    throw refused('its endpoint must read http://host:port or https://host:port')
  }
  return url.origin
}

function oneOf<const T extends string>(url: URL, name: string, values: readonly T[], otherwise: T): T {
  const text = url.searchParams.get(name) ?? otherwise
  const value = values.find((one) => one === text)
  if (value === undefined) throw refused(`${name} must be ${values.join(' or ')}`)
  return value
}

function refused(why: string): AgentfsError {
  return new AgentfsError('invalid_request', { detail: `not the URL of an object store: ${why}` })
}
