import { writeSync } from 'node:fs'
import { LocalStore } from '../store/local-store.js'

/**
 * Writes into a store for ever and says on stdout what each call returned for, until it is killed. Run as a process of its
 * own by the crash tests: `node crash-writer.js <folder> <first>`.
 */
function main(path: string, first: number): void {
  const store = LocalStore.open({ path, agent: 'agent-1' })
  const told = (what: string): void => {
    writeSync(1, `${what}\n`)
  }
  for (let turn = first; ; turn++) {
    const { ino } = store.create(1, `file-${turn}`, { kind: 'file', mode: 0o644, uid: 0, gid: 0 })
    told(`created ${turn}`)
    store.write(ino, 0, crashContent(turn, 1_000))
    told(`written ${turn}`)
    if (turn % 3 === 0) {
      store.write(ino, 1_000, crashContent(turn + 1, 100_000))
      told(`grown ${turn}`)
    }
    if (turn % 5 === 0) {
      store.rename(1, `file-${turn}`, 1, `renamed-${turn}`, 'none')
      told(`renamed ${turn}`)
    }
    if (turn % 17 === 0) {
      const push = store.freezePush({ operationsMax: 100, bytesMax: 8_000_000 })
      if (push !== null) told(`frozen ${push.digest}`)
    }
    if (turn % 29 === 0) store.fsync(ino)
  }
}

/** The bytes a turn writes; recognisable, so that torn ones are. */
export function crashContent(turn: number, length: number): Buffer {
  return Buffer.alloc(length, `${turn}|`)
}

if (process.argv[1]?.endsWith('crash-writer.js') === true)
  main(process.argv[2] ?? '', Number(process.argv[3]))
