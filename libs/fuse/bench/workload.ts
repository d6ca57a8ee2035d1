import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

// Runs in a process of its own with a folder as its argument; prints one JSON object of measurements.

const [, , dir = ''] = process.argv
const KILOBYTE = Buffer.alloc(1024, 'k')
const MEGABYTE = Buffer.alloc(1 << 20, 'm')
const STREAM_MEGABYTES = 256

/** Microseconds per call. */
function perCall(count: number, call: (index: number) => void): number {
  for (let index = 0; index < count / 10; index += 1) call(index)
  const started = performance.now()
  for (let index = 0; index < count; index += 1) call(index)
  return ((performance.now() - started) * 1000) / count
}

const work = join(dir, 'work')
mkdirSync(work)
const file = join(work, 'one')
writeFileSync(file, KILOBYTE)
const room = Buffer.alloc(1 << 20)
const handle = openSync(file, 'r')

const results: Record<string, number> = {}
results['round trip (statfs)'] = perCall(3000, () => statfsSync(work))
results['stat'] = perCall(3000, () => statSync(file))
results['read 1 KB of an open file'] = perCall(3000, () => readSync(handle, room, 0, 1024, 0))
results['open + read 1 KB + close'] = perCall(2000, () => {
  const fd = openSync(file, 'r')
  readSync(fd, room, 0, 1024, 0)
  closeSync(fd)
})
closeSync(handle)

mkdirSync(join(work, 'thousand'))
const created = performance.now()
for (let index = 0; index < 1000; index += 1) writeFileSync(join(work, 'thousand', `f${index}`), KILOBYTE)
results['create + write 1 KB + close'] = performance.now() - created
readdirSync(join(work, 'thousand'))
results['list 1,000'] = perCall(30, () => readdirSync(join(work, 'thousand')))
const unlinked = performance.now()
for (let index = 0; index < 1000; index += 1) unlinkSync(join(work, 'thousand', `f${index}`))
results['unlink'] = performance.now() - unlinked

const big = join(work, 'big')
results['sequential write, MB/s'] = stream('w', (fd) => writeSync(fd, MEGABYTE))
results['sequential read, first, MB/s'] = stream('r', (fd) => readSync(fd, room))
results['sequential read, again, MB/s'] = stream('r', (fd) => readSync(fd, room))
rmSync(work, { recursive: true })
process.stdout.write(JSON.stringify(results))

function stream(flags: string, step: (fd: number) => void): number {
  const fd = openSync(big, flags)
  const started = performance.now()
  for (let index = 0; index < STREAM_MEGABYTES; index += 1) step(fd)
  closeSync(fd)
  return STREAM_MEGABYTES / ((performance.now() - started) / 1000)
}
