import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { STATE_FILE } from './paths.mjs'

/** Grows when the shape of the state changes; libs/testkit/src/services.ts reads the same. */
export const STATE_VERSION = 1

/** The state as last written, or undefined. */
export async function readState() {
  const text = await readFile(STATE_FILE, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const state = JSON.parse(text)
  return state.version === STATE_VERSION ? state : undefined
}

/** Replaces the state at once: a reader sees the old one or the new one. */
export async function writeState(state) {
  await mkdir(dirname(STATE_FILE), { recursive: true, mode: 0o700 })
  const staging = `${STATE_FILE}.${process.pid}`
  await writeFile(staging, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  await rename(staging, STATE_FILE)
}

/** Forgets the state. */
export async function removeState() {
  await rm(STATE_FILE, { force: true })
}
