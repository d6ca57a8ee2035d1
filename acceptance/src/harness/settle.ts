import { waitFor } from '@agentfs/testkit'
import { Machine, type Mount } from './machine.js'

/** What `.agentfs/status` says, as far as tests look at it. */
export interface InnerStatus {
  readonly feed: string
  readonly seq: number
  readonly stored: number
  readonly journal: { readonly entries: number; readonly bytes: number }
  readonly pushInFlight: number | null
  readonly rejected: number
  readonly revoked: boolean
}

/** What a mount, or the latest of a machine, says of itself in `.agentfs/status`: the cheapest way to ask. */
export async function innerStatus(of: Machine | Mount): Promise<InnerStatus> {
  const mount = of instanceof Machine ? of.latest : of
  return JSON.parse(await mount.output('cat .agentfs/status', { limitMs: 10_000 })) as InnerStatus
}

/** Waits until a mount's status is as wanted; gives the milliseconds that it took. */
export async function untilStatus(
  of: Machine | Mount,
  what: string,
  wanted: (status: InnerStatus) => boolean,
  deadlineMs = 20_000,
): Promise<number> {
  const startedAt = performance.now()
  await waitFor(
    async () => {
      const status = await innerStatus(of)
      if (wanted(status)) return true
      throw new Error(JSON.stringify(status))
    },
    { deadlineMs, pollMs: 25, what },
  )
  return performance.now() - startedAt
}

/** Waits until a mount's journal is empty and its feed healthy. */
export async function settled(of: Machine | Mount, deadlineMs = 20_000): Promise<void> {
  await untilStatus(
    of,
    'the mount to be connected with an empty journal',
    ({ feed, journal }) => feed === 'connected' && journal.entries === 0,
    deadlineMs,
  )
}

/** Waits until a mount says that it has no healthy feed; gives the milliseconds that it took. */
export function unhealthy(of: Machine | Mount, deadlineMs: number): Promise<number> {
  return untilStatus(
    of,
    'the mount to say that its feed is not healthy',
    ({ feed }) => feed !== 'connected',
    deadlineMs,
  )
}

/** Waits until a command on the mount prints this; gives the milliseconds that it took. */
export async function shows(
  mount: Mount,
  command: string,
  expected: string,
  deadlineMs = 5_000,
): Promise<number> {
  const startedAt = performance.now()
  await waitFor(
    async () => {
      const { stdout, stderr } = await mount.shell(command, { limitMs: 10_000 })
      if (stdout === expected) return true
      throw new Error(`${command} gave ${JSON.stringify(stdout.slice(0, 200))} ${stderr}`)
    },
    { deadlineMs, pollMs: 25, what: `${command} to give ${JSON.stringify(expected.slice(0, 200))}` },
  )
  return performance.now() - startedAt
}
