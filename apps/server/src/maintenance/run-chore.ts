import type { TenantScope } from '@agentfs/access'
import { isUuid } from '@agentfs/contracts'
import type { Chore, ChoreRequest, ChoreStep, Sweeper } from '@agentfs/engine'
import { type Database, findAgent } from '@agentfs/storage'
import { OperatorError } from '../operator-error.js'

/** Whose chore is to be done. */
export interface ChoreTarget {
  /** A tenant's id; undefined: all. */
  readonly tenant: string | undefined
  /** An agent's id or name; undefined: all. */
  readonly agent: string | undefined
}

/** How far a chore is. */
export interface ChoreProgress {
  readonly tenantsDone: number
  /** Tenants, or agents where one is named, without those that are none of the chore's. */
  readonly tenants: number
  readonly counts: ChoreStep['counts']
}

/** Does a chore for each tenant in turn, to its end; gives the sums of what the steps counted. */
export async function runChore(
  { database, sweeper, chore }: { database: Database; sweeper: Sweeper; chore: Chore },
  target: ChoreTarget,
  request: Pick<ChoreRequest, 'dryRun' | 'signal'>,
  onProgress: (progress: ChoreProgress) => void,
): Promise<ChoreProgress> {
  const work = await targets(database, sweeper, target)
  const sums: Record<string, number> = Object.fromEntries(chore.counted.map((name) => [name, 0]))
  let tenantsDone = 0
  let passedOver = 0
  const progress = (): ChoreProgress => ({
    tenantsDone,
    tenants: work.length - passedOver,
    counts: { ...sums },
  })
  for (const { scope, agentId } of work) {
    let resume: string | null = null
    do {
      request.signal?.throwIfAborted()
      const step: ChoreStep = await chore.step(scope, { ...request, agentId, resume })
      for (const [name, count] of Object.entries(step.counts)) sums[name] = (sums[name] ?? 0) + count
      resume = step.resume
      if (step.passedOver === true) passedOver++
      else if (resume === null) tenantsDone++
      onProgress(progress())
    } while (resume !== null)
  }
  return progress()
}

/** A tenant, or one agent of it. */
export interface Target {
  readonly scope: TenantScope
  readonly agentId: string | null
}

/** Whom a command is about; throws an OperatorError where there is no such tenant or agent. */
export async function targets(
  database: Database,
  sweeper: Sweeper,
  { tenant, agent }: ChoreTarget,
): Promise<Target[]> {
  const found: Target[] = []
  for (const scope of await scopes(sweeper, tenant)) {
    if (agent === undefined) found.push({ scope, agentId: null })
    else {
      const row = await database.withTenant(scope, (tx) => findAgent(tx, agent))
      if (row !== undefined) found.push({ scope, agentId: row.agentId })
    }
  }
  if (agent !== undefined && found.length === 0) {
    throw new OperatorError(
      `there is no agent ${agent}${tenant === undefined ? '' : ` of tenant ${tenant}`}`,
      {
        remedy: 'Give its name or its id as `agentfs-client agents list` shows them.',
      },
    )
  }
  return found
}

async function scopes(sweeper: Sweeper, tenant: string | undefined): Promise<TenantScope[]> {
  const all: TenantScope[] = []
  if (tenant !== undefined && !isUuid(tenant)) throw unknownTenant(tenant)
  for await (const scope of sweeper.tenantsAcrossTenants()) {
    if (tenant === undefined || scope.tenantId === tenant) all.push(scope)
  }
  if (tenant !== undefined && all.length === 0) throw unknownTenant(tenant)
  return all
}

function unknownTenant(tenant: string): OperatorError {
  return new OperatorError(`there is no tenant ${tenant}`, {
    remedy: 'Give its id, or leave --tenant away for all of them.',
  })
}
