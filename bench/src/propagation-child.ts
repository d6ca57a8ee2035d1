import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// One process writes on mount A and polls on mount B, so that one clock times both.
const [here = '', there = '', rounds = '0'] = process.argv.slice(2)
const took: number[] = []
const buffer = Buffer.alloc(64)
writeFileSync(join(here, 'propagation.md'), 'round 0000\n')

const shows = (wanted: string): boolean => {
  try {
    const fd = openSync(join(there, 'propagation.md'), 'r')
    const size = readSync(fd, buffer, 0, 64, 0)
    closeSync(fd)
    return buffer.toString('utf8', 0, size) === wanted
  } catch {
    return false
  }
}
const waitUntil = (wanted: string): void => {
  const deadline = performance.now() + 10_000
  while (!shows(wanted)) {
    if (performance.now() > deadline) throw new Error(`not seen within 10 s: ${wanted}`)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
}

waitUntil('round 0000\n')
for (let round = 1; round <= Number(rounds); round++) {
  const text = `round ${String(round).padStart(4, '0')}\n`
  const from = performance.now()
  writeFileSync(join(here, 'propagation.md'), text)
  waitUntil(text)
  took.push(performance.now() - from)
}
process.stdout.write(JSON.stringify(took))
