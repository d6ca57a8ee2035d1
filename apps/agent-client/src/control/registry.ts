import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { makeFolders } from '../make-folders.js'

const mountRecord = z.object({
  pid: z.int(),
  dir: z.string(),
  agent: z.string(),
  url: z.string(),
  socket: z.string(),
})
/** A mount that runs (or ran, if its process was killed) on this machine. */
export type MountRecord = z.infer<typeof mountRecord>

// sun_path holds 108 bytes with its NUL.
const SOCKET_PATH_MAX = 107

/** The mounts of this user, one file each, so that other commands find them. */
export class MountRegistry {
  readonly #directory: string

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'run')
  }

  /** Where the control socket of a process is. */
  socketPath(pid: number): string {
    makeFolders(this.#directory, 0o700)
    const path = join(this.#directory, `${pid}.sock`)
    if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path
    const shorter = join(tmpdir(), `agentfs-${userInfo().uid}`)
    makeFolders(shorter, 0o700)
    chmodSync(shorter, 0o700)
    return join(shorter, `${createHash('sha256').update(path).digest('hex').slice(0, 24)}.sock`)
  }

  /** Writes down a mount; the function given back takes it away again. */
  add(record: MountRecord): () => void {
    makeFolders(this.#directory, 0o700)
    const path = join(this.#directory, `${record.pid}.json`)
    writeFileSync(path, JSON.stringify(record), { mode: 0o600 })
    return () => {
      rmSync(path, { force: true })
      rmSync(record.socket, { force: true })
    }
  }

  /** True where a mount on the directory was left behind by a process that is gone. */
  abandoned(directory: string): boolean {
    return this.#records().some(({ record }) => record?.dir === directory && !isAlive(record.pid))
  }

  /** All mounts whose process lives; what a killed one left is cleaned away. */
  list(): MountRecord[] {
    const found: MountRecord[] = []
    for (const { path, record } of this.#records()) {
      if (record !== undefined && isAlive(record.pid)) found.push(record)
      else {
        rmSync(path, { force: true })
        if (record !== undefined) rmSync(record.socket, { force: true })
      }
    }
    return found
  }

  /** The mount on a directory. */
  find(directory: string): MountRecord | undefined {
    return this.list().find((it) => it.dir === directory)
  }

  #records(): { path: string; record: MountRecord | undefined }[] {
    let names: string[]
    try {
      names = readdirSync(this.#directory).filter((name) => name.endsWith('.json'))
    } catch {
      return []
    }
    return names.map((name) => {
      const path = join(this.#directory, name)
      return { path, record: readRecord(path) }
    })
  }
}

function readRecord(path: string): MountRecord | undefined {
  try {
    return mountRecord.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}

/**
 * A process killed while one of its threads waits in the kernel stays as a zombie: it exists, and is gone. And where this
 * process has the number, the one that wrote it down is gone: containers count from 1 each time.
 */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The state is the field behind the command, which stands in parentheses and may hold anything.
    const state = stat.charAt(stat.lastIndexOf(')') + 2)
    return state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
