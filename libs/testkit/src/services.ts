import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestkitConfig, testkitConfig } from './config.js'

/** A real S3 server on loopback, proven at its start; its bucket exists and is shared: take a prefix of your own. */
export interface S3Service {
  readonly pid: number
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** `s3://bucket?endpoint=…&region=…&pathStyle=true`; add `/prefix` after the bucket with `objectStoreUrl`. */
  readonly url: string
  readonly log: string
}

/** A real Redis on loopback; shared: take a key prefix of your own. */
export interface RedisService {
  readonly pid: number
  readonly host: string
  readonly port: number
  readonly password: string
  readonly url: string
  readonly log: string
}

/** Paths of programs that tests run. */
export type ProgramName = 'versitygw' | 'minio' | 'redis-server' | 'fusermount3' | 'vim' | 'git'

/** What `npm run services` keeps running. */
export interface Services {
  readonly s3: Readonly<Record<'versitygw' | 'minio', S3Service>>
  readonly redis: RedisService
  /** A python3 that imports `cryptography` once `path` is in its PYTHONPATH ('' where it needs none). */
  readonly python: { readonly program: string; readonly path: string }
  readonly programs: Readonly<Record<ProgramName, string>>
}

const STATE_VERSION = 1

/** The services that run, from the state file that `npm run services` writes; throws where there are none. */
export function loadServices(config: TestkitConfig = testkitConfig()): Services {
  const file = join(config.cacheDirectory, 'services.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Error(`no services run (there is no ${file}): run \`npm run services\` first`, { cause })
  }
  const state: unknown = JSON.parse(text)
  if (!isServices(state))
    throw new Error(
      `the services in ${file} are of another version or half started: run \`npm run services\` first`,
    )
  for (const { pid } of [...Object.values(state.s3), state.redis]) {
    if (!isAlive(pid)) throw new Error(`a service has ended (process ${pid}): run \`npm run services\` first`)
  }
  return state
}

/** The object store URL of a place of one's own in a service's bucket. */
export function objectStoreUrl(service: S3Service, prefix: string): string {
  const url = new URL(service.url)
  url.pathname = `/${prefix}`
  return url.href
}

// The script writes the whole shape or an older version number, so that and `ready` are what must be looked at.
function isServices(state: unknown): state is Services {
  if (typeof state !== 'object' || state === null) return false
  return 'version' in state && state.version === STATE_VERSION && 'ready' in state && state.ready === true
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
