import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** What one operation took: the median of its samples, in microseconds, or MB/s for transfers. */
export interface Measurement {
  readonly operation: string
  readonly value: number
  readonly unit: 'us' | 'MB/s'
}

const KIB = Buffer.alloc(1024, 'x')
const MIB = Buffer.alloc(1_048_576, 'y')

/**
 * Times operations on the files of a directory. Runs in a process of its own: the process that serves a mount must never
 * touch it. Times come from `performance.now`; a loop of `batch` calls is one sample where a call takes few microseconds.
 */
export function measureDirectory(
  directory: string,
  options: { files: number; transferMiB: number },
): Measurement[] {
  const { files, transferMiB } = options
  const work = join(directory, `bench-${process.pid}`)
  mkdirSync(work)
  const name = (at: number): string => join(work, `file-${String(at).padStart(6, '0')}.md`)
  const found: Measurement[] = []
  const time = (operation: string, count: number, batch: number, run: (at: number) => void): void => {
    const samples: number[] = []
    for (let at = 0; at + batch <= count; at += batch) {
      const from = performance.now()
      for (let within = 0; within < batch; within++) run(at + within)
      samples.push(((performance.now() - from) * 1_000) / batch)
    }
    found.push({ operation, value: median(samples), unit: 'us' })
  }

  time('create + write 1 KB + close', files, 1, (at) => writeFileSync(name(at), KIB))
  for (let at = 0; at < files; at++) readFileSync(name(at))
  const buffer = Buffer.alloc(1024)
  time('open + read 1 KB + close, warm', files, 10, (at) => {
    const fd = openSync(name(at), 'r')
    readSync(fd, buffer, 0, 1024, 0)
    closeSync(fd)
  })
  const held = openSync(name(0), 'r')
  time('read 1 KB of an open file, warm', 20_000, 100, () => readSync(held, buffer, 0, 1024, 0))
  closeSync(held)
  // The first read of a file makes the kernel ask for its access time once more.
  for (let at = 0; at < files; at++) statSync(name(at))
  time('stat, warm', files, 10, (at) => void statSync(name(at)))
  readdirSync(work)
  time(`list ${files}, warm`, 20, 1, () => void readdirSync(work))
  time('append 100 B + close', files, 1, (at) => appendFileSync(name(at), KIB.subarray(0, 100)))
  time('write 1 KB + fsync', Math.min(files, 200), 1, (at) => {
    const fd = openSync(name(at), 'r+')
    writeSync(fd, KIB, 0, 1024, 0)
    fsyncSync(fd)
    closeSync(fd)
  })
  time('rename', files, 1, (at) => renameSync(name(at), `${name(at)}.moved`))
  time('unlink', files, 1, (at) => unlinkSync(`${name(at)}.moved`))
  found.push(...measureTransfer(join(work, 'large.bin'), transferMiB))
  rmSync(work, { recursive: true, force: true })
  return found
}

function measureTransfer(path: string, mebibytes: number): Measurement[] {
  const rate = (from: number): number => mebibytes / ((performance.now() - from) / 1_000)
  const writing = openSync(path, 'w')
  const written = performance.now()
  for (let at = 0; at < mebibytes; at++) writeSync(writing, MIB)
  closeSync(writing)
  const writeRate = rate(written)
  const reads: number[] = []
  for (let round = 0; round < 3; round++) {
    const reading = openSync(path, 'r')
    const from = performance.now()
    for (let at = 0; at < mebibytes; at++) readSync(reading, MIB, 0, MIB.length, at * MIB.length)
    reads.push(rate(from))
    closeSync(reading)
  }
  return [
    { operation: `sequential write, ${mebibytes} MiB`, value: writeRate, unit: 'MB/s' },
    { operation: `sequential read, warm, ${mebibytes} MiB`, value: median(reads), unit: 'MB/s' },
  ]
}

/** The median of some numbers; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
