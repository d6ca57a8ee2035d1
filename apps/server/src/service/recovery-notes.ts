import type { RecoveryLoss, RecoveryReport } from '@agentfs/engine'

const PROGRESS_MS = 1_000

/** What a kind of loss means for those who read. */
const MEANINGS: Readonly<Record<RecoveryLoss['kind'], string | undefined>> = {
  object: 'what needs a damaged object or a lost key reads as damaged or erased',
  head: 'a file whose newest version is lost stays listed, and reads as damaged: restore an older version',
  key: 'what needs a damaged object or a lost key reads as damaged or erased',
  gap: 'a log with a gap ends before it and goes on in a new epoch; nothing of what it lacks is shown',
  unknown: undefined,
  dropped: 'what was dropped gave way to what the bucket has',
}

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
    ...(lossCount === 0
      ? ['nothing that was stored is missing']
      : [
          lossCount === 1 ? '1 thing is missing' : `${lossCount} things are missing`,
          ...new Set(losses.flatMap(({ kind }) => MEANINGS[kind] ?? [])),
        ]),
  ]
}
