import { performance } from 'node:perf_hooks'
import type { BucketCensus } from './bucket-census.js'
import type { SimulatedService } from './simulated-service.js'

const AGENT = 'writer'
const PATH = 'log.txt'
const SECOND_MS = 1_000
/** Lines between two looks of the workers: the clock moves on by as many seconds then. */
const BURST = 5
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The bytes of an append, and those of the log before the first. */
const LINE_BYTES = 100
const LOG_BYTES = 900 * 1024

/** How a log is grown. */
export interface AppendsOptions {
  /** Of the log before the first append; 900 KiB unless told. */
  readonly logBytes?: number
  readonly progress?: (text: string) => void
  readonly signal?: AbortSignal
}

/** What a log that grew line by line costs. */
export interface AppendsFigures {
  readonly appends: number
  readonly appendedBytes: number
  /** PUTs from the first append until everything was stored. */
  readonly puts: number
  /** The bucket, less the log as it was before the first append: at most while it grew, and when time was up for all that was dead. */
  readonly peakBytes: number
  readonly settledBytes: number
  readonly settledRatio: number
  readonly settled: BucketCensus
  readonly versions: { readonly all: number; readonly beginnings: number }
  readonly appendsPerSecond: number
  /** Reading the whole log, and one version in the middle of its life, with nothing in memory. */
  readonly readMs: number
  readonly readOldMs: number
}

/**
 * Appends a line a second, five at once, until `signal` aborts, then lets the grace time pass. Throws where the log does not read as it was
 * written.
 */
export async function measureAppends(
  service: SimulatedService,
  appendsMax: number,
  { progress, signal, logBytes = LOG_BYTES }: AppendsOptions = {},
): Promise<AppendsFigures> {
  const { engine, caller } = service
  const all = Buffer.alloc(logBytes + appendsMax * LINE_BYTES, 'as it was before. ')
  await engine.files.put(caller, AGENT, PATH, all.subarray(0, logBytes))
  await service.pass(2 * 60 * SECOND_MS)
  const putsBefore = service.store.tenantPuts
  let peakBytes = 0
  let node = ''
  const versions: string[] = []
  let from = performance.now()
  const began = from
  while (versions.length < appendsMax && signal?.aborted !== true) {
    const at = logBytes + versions.length * LINE_BYTES
    all.fill(`${versions.length} `.padEnd(LINE_BYTES, 'a line of the log, '), at, at + LINE_BYTES)
    const answer = await engine.files.append(caller, AGENT, PATH, all.subarray(at, at + LINE_BYTES))
    versions.push(answer.version ?? '')
    ;({ node } = answer)
    if (versions.length % BURST === 0) await service.pass(BURST * SECOND_MS)
    if (versions.length % 3_600 !== 0) continue
    const { bytes, kinds } = await service.census(true)
    peakBytes = Math.max(peakBytes, bytes)
    const seconds = (performance.now() - from) / 1_000
    progress?.(
      `${versions.length} appends, ${(3_600 / seconds).toFixed(0)} a second; ${JSON.stringify(kinds)}`,
    )
    from = performance.now()
  }
  const appends = versions.length
  const log = all.subarray(0, logBytes + appends * LINE_BYTES)
  const appendsPerSecond = appends / ((performance.now() - began) / 1_000)
  await service.pass(2 * 60 * SECOND_MS)
  const puts = service.store.tenantPuts - putsBefore
  peakBytes = Math.max(peakBytes, (await service.census(true)).bytes)
  // Blocks of records wait for a week, and what they replace is dead for another.
  await service.pass(17 * DAY_MS, 6 * HOUR_MS)
  const settled = await service.census()
  const readMs = await readAndCompare(service, node, {}, log)
  const middle = appends >> 1
  const old = log.subarray(0, logBytes + (middle + 1) * LINE_BYTES)
  const readOldMs = await readAndCompare(service, node, { version: versions[middle] ?? '' }, old)
  const appendedBytes = appends * LINE_BYTES
  const settledBytes = settled.bytes - logBytes
  return {
    appends,
    appendedBytes,
    puts,
    peakBytes: peakBytes - logBytes,
    settledBytes,
    settledRatio: settledBytes / appendedBytes,
    settled,
    versions: await service.versions(),
    appendsPerSecond,
    readMs,
    readOldMs,
  }
}

async function readAndCompare(
  service: SimulatedService,
  node: string,
  options: { readonly version?: string },
  expected: Uint8Array,
): Promise<number> {
  const from = performance.now()
  const { body } = await service.another().files.read(service.caller, AGENT, { node }, options)
  const chunks: Uint8Array[] = []
  for await (const chunk of body instanceof Uint8Array ? [body] : body) chunks.push(chunk)
  const took = performance.now() - from
  if (!Buffer.concat(chunks).equals(expected)) throw new Error('the log does not read as it was written')
  return took
}
