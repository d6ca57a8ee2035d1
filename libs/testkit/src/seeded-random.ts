import { createHash, randomInt } from 'node:crypto'

/** Numbers from 0 up to 1, always the same ones for a seed. */
export function seededRandom(seed: number): () => number {
  let drawn = 0
  return () => createHash('sha256').update(`${seed}/${drawn++}`).digest().readUInt32BE() / 2 ** 32
}

/** A seed nobody chose, to be printed. */
export function newSeed(): number {
  return randomInt(2 ** 32)
}
