// What storage costs over time, on a simulated clock:
//   node bench/dist/economy/main.js appends [86400]      a line of 100 bytes each second onto a log of 900 KiB
//   node bench/dist/economy/main.js overwrites [3600]    20 files of 1 to 64 KiB, one of them overwritten each second
//   node bench/dist/economy/main.js overwrites 3600 0    the same, of an agent that keeps every version for so many days
// Ctrl-C ends the writing, not the run: what was written until then is measured.
import { type AppendsFigures, measureAppends } from './appends.js'
import type { BucketCensus } from './bucket-census.js'
import { measureOverwrites, type OverwritesFigures, ratioOf, type SpaceSample } from './overwrites.js'
import { SimulatedService } from './simulated-service.js'
import { markdownTable } from '../table.js'

const progress = (text: string): void => void process.stderr.write(`${text}\n`)

function kindsTable({ kinds, bytes, objects }: BucketCensus): string {
  const rows = Object.entries(kinds).map(([kind, it]) => [kind, String(it.count), String(it.bytes)])
  return markdownTable(['what', 'count', 'bytes'], [...rows, ['all objects', String(objects), String(bytes)]])
}

function tellAppends(figures: AppendsFigures): string {
  const { appends, appendedBytes, settledBytes, settledRatio, peakBytes, puts, versions } = figures
  return [
    `# ${appends} appends, one a second`,
    `${appendedBytes} bytes appended; in the bucket beside the log's own 900 KiB: ${settledBytes} bytes, ${settledRatio.toFixed(2)} times as many (${peakBytes} at most, with what is dead and waits for its grace time).`,
    kindsTable(figures.settled),
    `${puts} PUTs; ${versions.all} versions, ${versions.beginnings} of them kept as beginnings; ${figures.appendsPerSecond.toFixed(0)} appends a second. Reading the log ${figures.readMs.toFixed(0)} ms, its version in the middle ${figures.readOldMs.toFixed(0)} ms.`,
  ].join('\n\n')
}

function tellOverwrites({
  writes,
  writtenBytes,
  puts,
  samples,
  worstRatio,
  last,
}: OverwritesFigures): string {
  const row = (it: SpaceSample): string[] =>
    [
      it.hours.toFixed(2),
      it.bytes,
      it.liveBytes,
      it.retainedBytes,
      it.graceBytes,
      ratioOf(it).toFixed(2),
    ].map(String)
  const worst = samples.filter((it) => ratioOf(it) === worstRatio)
  const some = samples.filter((_, index) => index % Math.ceil(samples.length / 12) === 0)
  return [
    `# ${writes} overwrites, one a second`,
    `${writtenBytes} bytes written, ${puts} PUTs. Twice what is live and what retention keeps is 1, beside what waits for its grace time: at worst ${worstRatio.toFixed(2)}, in the end ${ratioOf(last).toFixed(2)}.`,
    markdownTable(
      ['hours', 'in the bucket', 'live', 'retained', 'within grace', 'of the bound'],
      [...some, ...worst, last].map(row),
    ),
  ].join('\n\n')
}

const [what = 'appends', count, days] = process.argv.slice(2)
const stopped = new AbortController()
process.once('SIGINT', () => stopped.abort())
const service = await SimulatedService.start()
try {
  const options = { progress, signal: stopped.signal }
  if (what === 'appends') {
    process.stdout.write(`${tellAppends(await measureAppends(service, Number(count ?? 86_400), options))}\n`)
  } else if (what === 'overwrites') {
    const kept = days === undefined ? {} : { allDays: Number(days) }
    const writes = Number(count ?? 3_600)
    process.stdout.write(
      `${tellOverwrites(await measureOverwrites(service, { writes, ...kept, ...options }))}\n`,
    )
  } else throw new Error(`there is no ${what}`)
  progress([...service.chores].map(([did, times]) => `${did} ${times}`).join(', '))
} finally {
  await service.stop()
}
