import type { RecoveryReport } from '@agentfs/engine'

const PROGRESS_MS = 1_000

/** A line a second: how much, and how fast. */
export function progressNotes(
  note: (line: string) => void,
): (progress: { readonly tenants: number; readonly agents: number; readonly records: number }) => void {
  let saidAt = performance.now()
  let saidRecords = 0
  return ({ tenants, agents, records }) => {
    const now = performance.now()
    if (now - saidAt < PROGRESS_MS) return
    const rate = Math.round(((records - saidRecords) * 1_000) / (now - saidAt))
    note(`${records} records (${rate}/s), ${agents} agents, ${tenants} tenants done`)
    saidAt = now
    saidRecords = records
  }
}

/** What a rebuilding did, in lines. */
export function reportLines({ tenants, losses, lossCount, notes }: RecoveryReport): string[] {
  const sum = (pick: (tenant: (typeof tenants)[number]) => number): number =>
    tenants.reduce((total, tenant) => total + pick(tenant), 0)
  const counts = [
    `${tenants.length} tenants, ${sum(({ agents }) => agents)} agents`,
    `${sum(({ records }) => records)} records`,
    `${sum(({ versions }) => versions)} versions`,
    `${sum(({ parts }) => parts)} parts`,
    `${sum(({ orphans }) => orphans)} objects that nothing needs`,
  ]
  return [
    `put back: ${counts.join(', ')}`,
    ...notes.map((text) => `note: ${text}`),
    ...losses.map(
      ({ kind, tenant, agent, detail }) =>
        `${kind === 'dropped' ? 'DROPPED' : `LOST ${kind}`}: tenant ${tenant}${agent === undefined ? '' : `, agent ${agent}`}: ${detail}`,
    ),
    ...(lossCount > losses.length ? [`LOST … and ${lossCount - losses.length} more`] : []),
    lossCount === 0
      ? 'nothing that was stored is missing'
      : `${lossCount} things are missing; they read as damaged or erased`,
  ]
}
