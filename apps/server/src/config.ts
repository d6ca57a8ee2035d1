import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { KEK_LEASE_MS } from '@agentfs/crypto'
import type { EngineLimits } from '@agentfs/engine'
import { z } from 'zod'

/** How sign-up is handled; `default` is open on loopback, else closed after the first tenant. */
type SignupSetting = 'default' | 'open' | 'invite' | 'closed'

/** Everything an operator may say, read once from the environment (SURFACE, "Defaults"). */
export interface ServerConfig {
  readonly host: string
  readonly port: number
  readonly home: string
  /** The role that owns the schema; undefined for the embedded Postgres. */
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  readonly objectStore: string
  readonly kms: string
  /** Where open mirrors may write beside the object store: a URL by its name. */
  readonly mirrorTargets: readonly MirrorTargetConfig[]
  /** Paths of PEM files. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly trustProxy: boolean | string
  readonly signup: SignupSetting
  readonly invites: readonly string[]
  readonly publicUrl: string | undefined
  /** Undefined: METRICS_PORT_DEFAULT where it is free; 0: any; `off`: no metrics. */
  readonly metricsPort: number | 'off' | undefined
  /** What is set of the engine's bounds. */
  readonly limits: Partial<EngineLimits>
}

/** A place for open mirrors that tenants may choose by its name. */
export interface MirrorTargetConfig {
  readonly name: string
  readonly url: string
  /** Undefined: those of the machine's role, or of the object store. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
}

/** What is wrong with the environment, all of it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(problems: readonly string[]) {
    super(`the configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  }
}

/** Where the service listens unless told. */
const PORT_DEFAULT = 7333
/** Where the metrics are unless told. */
export const METRICS_PORT_DEFAULT = 7334

/** Reads and checks the environment; throws a ConfigError that names every problem at once. */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): ServerConfig {
  // A variable that is set to nothing is one that is not set: that is how compose files leave things out.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = schema.safeParse(given)
  const problems = [
    ...(parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []),
    ...problemsBetween(given),
  ]
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)
  const { data } = parsed
  const home = resolve(data.AGENTFS_HOME ?? defaultHome())
  const { AGENTFS_TLS_CERT: cert, AGENTFS_TLS_KEY: key } = data
  return {
    host: data.HOST,
    port: data.PORT,
    home,
    databaseUrl: data.DATABASE_URL,
    redisUrl: data.REDIS_URL,
    objectStore: data.OBJECT_STORE ?? pathToFileURL(join(home, 'objects')).href,
    kms: data.KMS ?? pathToFileURL(join(home, 'keys', 'kms.json')).href,
    mirrorTargets: mirrorTargetsOf(data.AGENTFS_MIRROR_TARGETS, given),
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    trustProxy: data.AGENTFS_TRUST_PROXY,
    signup: data.AGENTFS_SIGNUP,
    invites: data.AGENTFS_INVITES,
    publicUrl: data.AGENTFS_PUBLIC_URL,
    metricsPort: data.METRICS_PORT,
    limits: limitsOf(data),
  }
}

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

const port = z.coerce
  .number({ error: 'is not a number' })
  .int({ error: 'is not a port' })
  .min(0, { error: 'is not a port' })
  .max(65_535, { error: 'is not a port' })

function url(example: string, ...protocols: readonly string[]): z.ZodString {
  return z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `is no URL of the form ${example}`,
  })
}

const bytes = z.coerce
  .number({ error: 'is not a number of bytes' })
  .int({ error: 'is not a number of bytes' })
  .min(1, {
    error: 'is not a number of bytes',
  })

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

const MIRROR_TARGET = /^([a-z0-9][a-z0-9-]{0,62})=((?:file|s3):\/\/.+)$/

const schema = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(PORT_DEFAULT),
  AGENTFS_HOME: z.string().optional(),
  DATABASE_URL: url('postgres://user:password@host/database', 'postgres:', 'postgresql:').optional(),
  REDIS_URL: z
    .string()
    .refine((text) => text.split(',').every((one) => /^rediss?:\/\/./.test(one.trim())), {
      error: 'is no URL of the form redis://host:port, or several of them',
    })
    .optional(),
  OBJECT_STORE: url('file:///folder or s3://bucket/prefix', 'file:', 's3:').optional(),
  KMS: url('file:///path/of/key-file', 'file:').optional(),
  AGENTFS_MIRROR_TARGETS: list
    .refine((targets) => targets.every((target) => MIRROR_TARGET.test(target)), {
      error: 'is no list of name=file:///folder or name=s3://bucket/prefix, separated by commas',
    })
    .default([]),
  AGENTFS_TLS_CERT: z.string().optional(),
  AGENTFS_TLS_KEY: z.string().optional(),
  AGENTFS_TRUST_PROXY: z
    .string()
    .default('false')
    .transform((text) => (text === 'true' || text === 'false' ? text === 'true' : text)),
  AGENTFS_SIGNUP: z
    .enum(['default', 'open', 'invite', 'closed'], { error: 'is none of open, invite, closed' })
    .default('default'),
  AGENTFS_INVITES: list.default([]),
  AGENTFS_PUBLIC_URL: url('https://host', 'http:', 'https:').optional(),
  AGENTFS_STAGED_BYTES_MAX: bytes.optional(),
  AGENTFS_STAGED_BYTES_PER_TENANT_MAX: bytes.optional(),
  AGENTFS_KEY_LEASE_SECONDS: z.coerce
    .number({ error: 'is not a number of seconds' })
    .min(1, { error: 'is less than a second' })
    .max(KEK_LEASE_MS / 1_000, { error: `is more than ${KEK_LEASE_MS / 1_000}` })
    .optional(),
  METRICS_PORT: z.union([z.literal('off'), port], { error: 'is neither a port nor off' }).optional(),
})

function limitsOf(data: z.infer<typeof schema>): Partial<EngineLimits> {
  const {
    AGENTFS_STAGED_BYTES_MAX: stagedBytesMax,
    AGENTFS_STAGED_BYTES_PER_TENANT_MAX: stagedBytesPerTenantMax,
    AGENTFS_KEY_LEASE_SECONDS: leaseSeconds,
  } = data
  return {
    ...(stagedBytesMax === undefined ? {} : { stagedBytesMax }),
    ...(stagedBytesPerTenantMax === undefined ? {} : { stagedBytesPerTenantMax }),
    ...(leaseSeconds === undefined ? {} : { kekLeaseMs: leaseSeconds * 1_000 }),
  }
}

/** What is wrong with variables that belong together. */
function problemsBetween(given: Readonly<Record<string, string | undefined>>): string[] {
  const problems: string[] = []
  if ((given['AGENTFS_TLS_CERT'] === undefined) !== (given['AGENTFS_TLS_KEY'] === undefined)) {
    problems.push('AGENTFS_TLS_CERT and AGENTFS_TLS_KEY belong together: set both, or neither')
  }
  if (given['AGENTFS_SIGNUP'] === 'invite' && given['AGENTFS_INVITES'] === undefined) {
    problems.push('AGENTFS_INVITES must list the codes, separated by commas, for AGENTFS_SIGNUP=invite')
  }
  return problems
}

/** Credentials of target `eu-west` stand in AGENTFS_MIRROR_EU_WEST_ACCESS_KEY_ID and …_SECRET_ACCESS_KEY. */
function mirrorTargetsOf(
  targets: readonly string[],
  given: Readonly<Record<string, string | undefined>>,
): MirrorTargetConfig[] {
  return targets.map((target) => {
    const [, name = '', place = ''] = MIRROR_TARGET.exec(target) ?? []
    const variable = `AGENTFS_MIRROR_${name.toUpperCase().replaceAll('-', '_')}`
    const accessKeyId = given[`${variable}_ACCESS_KEY_ID`]
    const secretAccessKey = given[`${variable}_SECRET_ACCESS_KEY`]
    const complete = accessKeyId !== undefined && secretAccessKey !== undefined
    return { name, url: place, credentials: complete ? { accessKeyId, secretAccessKey } : undefined }
  })
}

/** `.agentfs` of the checkout that this file is in; of the working directory where npm installed us elsewhere. */
function defaultHome(): string {
  const checkout = fileURLToPath(new URL('../../../', import.meta.url))
  const installed = checkout.includes(`${join('/', 'node_modules', '/')}`)
  return isAbsolute(checkout) && !installed ? join(checkout, '.agentfs') : '.agentfs'
}
