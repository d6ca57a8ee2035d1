import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isSameProcess, processIdentity } from './processes.mjs'
import { LOCK_FILE } from './paths.mjs'
import { progress } from './progress.mjs'

/** Runs `work` alone among all checkouts of this user: two must not build or start the same at once. */
export async function withLock(work) {
  mkdirSync(dirname(LOCK_FILE), { recursive: true, mode: 0o700 })
  for (let waited = 0; !tryLock(); waited++) {
    if (waited % 30 === 0) progress(`waiting for another run (process ${holder()?.pid ?? 'unknown'})`)
    await delay(1_000)
  }
  const release = () => rmSync(LOCK_FILE, { force: true })
  const interrupted = (signal) => {
    release()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    return await work()
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    release()
  }
}

function tryLock() {
  const me = JSON.stringify({ pid: process.pid, identity: processIdentity(process.pid) })
  try {
    writeFileSync(LOCK_FILE, me, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const other = holder()
  // Left behind by a killed run: the next round takes it. An unreadable lock is being written this moment.
  if (other !== undefined && !isSameProcess(other)) discardStale()
  return false
}

/** Renamed before it is removed: if another run was faster and the name is its fresh lock by now, it is put back. */
function discardStale() {
  const aside = `${LOCK_FILE}.${process.pid}`
  try {
    renameSync(LOCK_FILE, aside)
    if (isSameProcess(holder(aside))) linkSync(aside, LOCK_FILE)
  } catch {
    // somebody else discards it
  }
  rmSync(aside, { force: true })
}

function holder(path = LOCK_FILE) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
