import { type Fault, FaultProxy, type ProxiedRequest } from './fault-proxy.js'
import { type S3Operation, type S3Request, s3RequestOf } from './s3-request.js'
import { newSeed, seededRandom } from './seeded-random.js'
import { StaleLists } from './stale-lists.js'

/** Milliseconds before each request of a kind is passed on. */
export type S3Latency = Readonly<Partial<Record<S3Operation, number>>>

/** What object stores take: in the service's region, and in another. */
export const S3_LATENCY = {
  sameRegion: { GET: 12, HEAD: 12, LIST: 12, DELETE: 12, PUT: 25 },
  crossRegion: { GET: 45, HEAD: 45, LIST: 45, DELETE: 45, PUT: 80 },
} as const satisfies Record<string, S3Latency>

/**
 * What goes wrong with a request, beyond the faults of HTTP:
 * - `error`: an S3 error of a status (500, 503, 429, …), with `Retry-After` where told.
 * - `commitThenDrop`: the store does it, and the answer is lost.
 * - `flipRequest`, `flipAnswer`: one bit of the body is turned over.
 * - `cutRequest`, `cutAnswer`: the body breaks off at a random place.
 * - `staleList`: a LIST answers what it answered before, or without what was written in the last `ageMs`.
 */
export type S3Fault =
  | { readonly kind: 'error'; readonly status: number; readonly retryAfterSeconds?: number }
  | { readonly kind: 'hang' | 'reset' }
  | { readonly kind: 'commitThenDrop' }
  | { readonly kind: 'flipRequest' | 'flipAnswer' | 'cutRequest' | 'cutAnswer' }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | { readonly kind: 'staleList'; readonly ageMs: number }

/** A fault, and whom it meets. */
export interface S3FaultRule {
  /** Of several one is drawn. */
  readonly fault: S3Fault | readonly S3Fault[]
  /** All but OTHER unless told. */
  readonly operations?: readonly S3Operation[]
  /** Keys it meets; all unless told. */
  readonly key?: RegExp
  /** From 0 to 1; 1 unless told. */
  readonly probability?: number
  /** How often at most; without end unless told. */
  readonly times?: number
}

/** How a store behaves. The first rule that meets a request decides. */
export interface S3Behaviour {
  readonly latency?: S3Latency
  readonly rules?: readonly S3FaultRule[]
}

/** Faults that a working store may show at any call, for rules with a probability. */
export const EVERYDAY_S3_FAULTS: readonly S3FaultRule[] = [
  {
    operations: ['PUT'],
    probability: 0.05,
    fault: [
      { kind: 'error', status: 503 },
      { kind: 'error', status: 500 },
      { kind: 'error', status: 429, retryAfterSeconds: 1 },
      { kind: 'reset' },
      { kind: 'cutRequest' },
      { kind: 'flipRequest' },
      { kind: 'commitThenDrop' },
    ],
  },
  {
    operations: ['GET', 'HEAD', 'LIST', 'DELETE'],
    probability: 0.05,
    fault: [
      { kind: 'error', status: 503 },
      { kind: 'error', status: 500 },
      { kind: 'reset' },
      { kind: 'cutAnswer' },
      { kind: 'commitThenDrop' },
    ],
  },
]

/**
 * A proxy before the S3 server at `endpoint`, all well until told. The seed, printed where it was drawn, decides which
 * requests meet what: the n-th request meets the same under the same seed and behaviour.
 */
export async function startS3FaultProxy(
  endpoint: string,
  options: S3Behaviour & { readonly seed?: number } = {},
): Promise<S3FaultProxy> {
  const seed = options.seed ?? newSeed()
  if (options.seed === undefined) process.stderr.write(`object-store faults drawn with seed ${seed}\n`)
  const proxy = new S3FaultProxy(new FaultProxy(new URL(endpoint)), seed)
  proxy.behave(options)
  await proxy.listen()
  return proxy
}

/** Use `startS3FaultProxy`. Clients sign for its `url`; signatures stay valid, for the Host passes unchanged. */
export class S3FaultProxy {
  readonly seed: number
  readonly #proxy: FaultProxy
  readonly #random: () => number
  readonly #lists = new StaleLists()
  readonly #operations = new Map<S3Operation, number>()
  readonly #injected = new Map<S3Fault['kind'], number>()
  readonly #timesLeft = new Map<S3FaultRule, number>()
  #behaviour: S3Behaviour = {}

  constructor(proxy: FaultProxy, seed: number) {
    this.seed = seed
    this.#proxy = proxy
    this.#random = seededRandom(seed)
    proxy.rule = (request) => this.#decide(request)
  }

  /** Where clients go instead of the server. */
  get url(): string {
    return this.#proxy.url
  }

  /** Every request since `forget`, in order. */
  get requests(): readonly ProxiedRequest[] {
    return this.#proxy.requests
  }

  /** From now on. */
  behave(behaviour: S3Behaviour): void {
    this.#behaviour = behaviour
    this.#timesLeft.clear()
  }

  /** How many requests of a kind came since `forget`, those met by faults too. */
  count(operation: S3Operation): number {
    return this.#operations.get(operation) ?? 0
  }

  /** How many requests met a fault since `forget`; of one kind, or of any. */
  injected(kind?: S3Fault['kind']): number {
    if (kind !== undefined) return this.#injected.get(kind) ?? 0
    return [...this.#injected.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Sets the counters to 0. */
  forget(): void {
    this.#proxy.requests.length = 0
    this.#operations.clear()
    this.#injected.clear()
  }

  /** Listens (again), on the same port. */
  async listen(): Promise<void> {
    await this.#proxy.listen()
  }

  /** Refuses connections, and breaks those that are open. */
  async close(): Promise<void> {
    await this.#proxy.close()
  }

  #decide(request: ProxiedRequest): Fault {
    const asked = s3RequestOf(request)
    this.#operations.set(asked.operation, this.count(asked.operation) + 1)
    // Always drawn, so that what one request meets does not change what the next ones do.
    const draws = { meets: this.#random(), which: this.#random(), where: this.#random() }
    const { latency = {}, rules = [] } = this.#behaviour
    const latencyMs = latency[asked.operation] ?? 0
    const rule = this.#ruleFor(asked, rules, draws.meets)
    const faults = rule === undefined ? [] : [rule.fault].flat()
    const fault = faults[Math.floor(draws.which * faults.length)]
    if (asked.operation === 'PUT') this.#lists.wrote(asked)
    if (rule === undefined || fault === undefined) return { ...this.#wellFor(request, asked), latencyMs }
    this.#timesLeft.set(rule, (this.#timesLeft.get(rule) ?? rule.times ?? Number.POSITIVE_INFINITY) - 1)
    this.#injected.set(fault.kind, this.injected(fault.kind) + 1)
    return { ...this.#onTheWire(fault, request, draws.where), latencyMs }
  }

  /** Rules share one draw, each with its own part of it, so that their probabilities add up. */
  #ruleFor(asked: S3Request, rules: readonly S3FaultRule[], drawn: number): S3FaultRule | undefined {
    let end = 0
    return rules.find((rule) => {
      if (!this.#concerns(rule, asked)) return false
      end += rule.probability ?? 1
      return drawn < end
    })
  }

  #concerns(rule: S3FaultRule, { operation, key }: S3Request): boolean {
    if (operation === 'OTHER' && rule.operations === undefined) return false
    if (rule.operations?.includes(operation) === false) return false
    if (rule.key?.test(key) === false) return false
    return (this.#timesLeft.get(rule) ?? rule.times ?? 1) > 0
  }

  #wellFor({ path }: ProxiedRequest, { operation }: S3Request): Fault {
    if (operation !== 'LIST') return { kind: 'pass' }
    return { kind: 'rewriteAnswer', rewrite: (body) => this.#lists.remember(path, body) }
  }

  #onTheWire(fault: S3Fault, { path, headers }: ProxiedRequest, where: number): Fault {
    switch (fault.kind) {
      case 'error':
        return s3Error(fault.status, fault.retryAfterSeconds)
      case 'commitThenDrop':
        return { kind: 'loseAnswer' }
      case 'flipRequest':
        return { kind: 'rewriteRequest', rewrite: (body) => flipped(body, where) }
      case 'flipAnswer':
        return { kind: 'rewriteAnswer', rewrite: (body) => flipped(body, where) }
      case 'cutRequest':
        return { kind: 'cutRequest', afterBytes: Math.floor(where * Number(headers['content-length'] ?? 0)) }
      case 'cutAnswer':
        return { kind: 'cutAnswer', afterBytes: Math.floor(where * 2_000) }
      case 'staleList':
        return { kind: 'rewriteAnswer', rewrite: (body) => this.#lists.asOf(path, body, fault.ageMs) }
      default:
        return fault
    }
  }
}

const ERROR_CODES: Readonly<Record<number, string>> = { 429: 'TooManyRequests', 503: 'SlowDown' }

function s3Error(status: number, retryAfterSeconds: number | undefined): Fault {
  const code = ERROR_CODES[status] ?? 'InternalError'
  return {
    kind: 'answer',
    status,
    headers: {
      'content-type': 'application/xml',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`,
  }
}

function flipped(body: Buffer, where: number): Buffer {
  if (body.length === 0) return body
  const copy = Buffer.from(body)
  const at = Math.floor(where * copy.length)
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at)
  return copy
}
