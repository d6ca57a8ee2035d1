import { randomFillSync } from 'node:crypto'
import type { SimulatedService } from './simulated-service.js'

const AGENT = 'writer'
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KIB = 1_024
const FILES = 20
/** Between two looks once nothing is written any more. */
const SAMPLE_HOURS = 12

/** How long and how the files are overwritten, and kept. */
export interface OverwritesOptions {
  /** One file each second, in turn. */
  readonly writes: number
  /** Days that every version is kept, and deleted files; the defaults unless told. */
  readonly allDays?: number
  /** Days after the last write that the bucket is watched: retention, grace time and a day, unless told. */
  readonly watchedDays?: number
  /** Writes between two looks; 600 unless told. */
  readonly sampledEach?: number
  readonly progress?: (text: string) => void
  readonly signal?: AbortSignal
}

/** The bucket at one moment, against what it has to hold. */
export interface SpaceSample {
  readonly hours: number
  readonly bytes: number
  /** Contents of the files as they are, and the log of who did what, which is kept for ever. */
  readonly liveBytes: number
  /** Contents that retention keeps beside these, or kept until its chore had to come by. */
  readonly retainedBytes: number
  /** Of the bytes, objects that are dead and wait for the end of the grace time. */
  readonly graceBytes: number
}

/** What overwriting files costs. */
export interface OverwritesFigures {
  readonly writes: number
  readonly writtenBytes: number
  readonly puts: number
  readonly samples: readonly SpaceSample[]
  /** The most that the bucket held beside what waits for its grace time, against twice the live bytes and the retained ones. */
  readonly worstRatio: number
  readonly last: SpaceSample
}

interface Version {
  readonly bytes: number
  readonly untilMs: number
}

const GRACE_MS = 7 * DAY_MS
/** How far the clock goes at once when nothing is written any more. */
const STEP_MS = 3 * HOUR_MS
/** Retention runs each six hours, compaction behind it. */
const LATE_MS = 6 * HOUR_MS + 2 * STEP_MS

/** Overwrites files, 1 to 64 KiB large, one each second; then watches the bucket hour by hour. */
export async function measureOverwrites(
  service: SimulatedService,
  options: OverwritesOptions,
): Promise<OverwritesFigures> {
  const { engine, caller } = service
  const { writes, allDays = 30, sampledEach = 600, progress, signal } = options
  if (options.allDays !== undefined) {
    const retention = { allDays, dailyDays: allDays, deletedDays: allDays }
    await engine.agents.update(caller, AGENT, { settings: { retention } })
  }
  const startMs = service.nowMs
  const heads = new Map<number, number>()
  const replaced: Version[] = []
  const samples: SpaceSample[] = []
  const putsBefore = service.store.tenantPuts
  let writtenBytes = 0

  const sample = async (): Promise<void> => {
    const { bytes } = await service.census(true)
    const liveBytes = [...heads.values()].reduce((sum, size) => sum + size, await service.logBytes())
    const retainedSince = service.nowMs - allDays * DAY_MS - LATE_MS
    const retainedBytes = replaced.reduce(
      (sum, version) => (version.untilMs >= retainedSince ? sum + version.bytes : sum),
      0,
    )
    const graceBytes = await service.deadBytes(service.nowMs - GRACE_MS - STEP_MS)
    samples.push({
      hours: (service.nowMs - startMs) / HOUR_MS,
      bytes,
      liveBytes,
      retainedBytes,
      graceBytes,
    })
  }

  let done = 0
  while (done < writes && signal?.aborted !== true) {
    const file = done % FILES
    // From 1 to 64 KiB, evenly, and never the same bytes.
    const size = KIB + Math.floor((63 * KIB * file) / (FILES - 1))
    const before = heads.get(file)
    if (before !== undefined) replaced.push({ bytes: before, untilMs: service.nowMs })
    await engine.files.put(caller, AGENT, `notes/${file}.bin`, randomFillSync(Buffer.alloc(size)), {
      parents: true,
    })
    heads.set(file, size)
    writtenBytes += size
    done++
    await service.pass(SECOND_MS)
    if (done % sampledEach === 0) {
      await sample()
      progress?.(`${done} writes; ${JSON.stringify(samples.at(-1))}`)
    }
  }
  await service.pass(2 * MINUTE_MS)
  const puts = service.store.tenantPuts - putsBefore
  const watchedHours = (options.watchedDays ?? allDays + GRACE_MS / DAY_MS + 1) * 24
  for (let hours = 0; hours < watchedHours; hours += SAMPLE_HOURS) {
    await service.pass(SAMPLE_HOURS * HOUR_MS, STEP_MS)
    await sample()
  }
  const last = samples.at(-1)
  if (last === undefined) throw new Error('nothing was measured')
  const worstRatio = Math.max(...samples.map(ratioOf))
  return { writes: done, writtenBytes, puts, samples, worstRatio, last }
}

/** 1 where the bucket holds, beside what waits for its grace time, just twice what is live and what retention keeps. */
export function ratioOf({ bytes, liveBytes, retainedBytes, graceBytes }: SpaceSample): number {
  return (bytes - graceBytes) / (2 * liveBytes + retainedBytes)
}
