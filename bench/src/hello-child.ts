import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { median, type Measurement } from './operations.js'

// What can be asked of a filesystem with one file of 1 KB.
const file = join(process.argv[2] ?? '', process.argv[3] ?? 'hello')
const buffer = Buffer.alloc(1024)
const time = (operation: string, run: () => void): Measurement => {
  const samples: number[] = []
  for (let sample = 0; sample < 200; sample++) {
    const from = performance.now()
    for (let at = 0; at < 10; at++) run()
    samples.push(((performance.now() - from) * 1_000) / 10)
  }
  return { operation, value: median(samples), unit: 'us' }
}
const found = [
  time('open + read 1 KB + close, warm', () => {
    const fd = openSync(file, 'r')
    readSync(fd, buffer, 0, 1024, 0)
    closeSync(fd)
  }),
  time('stat, warm', () => void statSync(file)),
]
const held = openSync(file, 'r')
found.push(time('read 1 KB of an open file, warm', () => readSync(held, buffer, 0, 1024, 0)))
closeSync(held)
process.stdout.write(JSON.stringify(found))
