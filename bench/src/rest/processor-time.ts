import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of /proc a second; Linux has 100 wherever Node runs. */
const TICKS_PER_SECOND = 100

/** Seconds of the processor that a process has used. */
export function processorSeconds(pid: number): number {
  const ticks = statOf(pid).slice(11, 13)
  return ticks.reduce((sum, text) => sum + Number(text), 0) / TICKS_PER_SECOND
}

/** The same of a process and of all its children, those that ended included. */
export function familySeconds(pid: number): number {
  const ended = statOf(pid).slice(13, 15)
  const own = ended.reduce((sum, text) => sum + Number(text), 0) / TICKS_PER_SECOND
  return childrenOf(pid).reduce((sum, child) => sum + processorSeconds(child), processorSeconds(pid) + own)
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return Number(statOf(pid)[1]) === parent
      } catch {
        // It ended between the listing and the look.
        return false
      }
    })
}

/** The fields behind the program's name, which may hold spaces: state, ppid, … */
function statOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}
