import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Program } from '../running-service.js'

/** What a command took. */
export interface Timed {
  readonly seconds: number
  /** The most memory that its process held, without Postgres. */
  readonly peakMiB: number
  readonly text: string
}

/** Runs an `agentfs-server` command to its end. */
export async function timedCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Timed> {
  const from = performance.now()
  const program = new Program('apps/server/bin/agentfs-server.mjs', args, environment)
  let peakMiB = 0
  const look = setInterval(() => {
    try {
      peakMiB = Math.max(peakMiB, peakOf(program.child.pid))
    } catch {
      // It has ended between two looks.
    }
  }, 200)
  const [code] = (await once(program.child, 'exit')) as [number | null]
  clearInterval(look)
  if (code !== 0) throw new Error(`agentfs-server ${args.join(' ')}: exit code ${code}\n${program.text}`)
  return { seconds: (performance.now() - from) / 1_000, peakMiB, text: program.text }
}

/** The launcher and what it started: the larger of both. */
function peakOf(pid: number | undefined): number {
  const own = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const others = children.filter(Boolean).map((child) => {
    const status = readFileSync(`/proc/${child}/status`, 'utf8')
    return /^Name:\s+postgres/m.test(status) ? 0 : Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  })
  return Math.max(own, ...others)
}
