import type { TenantScope } from '@agentfs/access'

/** What a step of a chore is to look at. */
export interface ChoreRequest {
  /** Only this agent's; null: all of the tenant. */
  readonly agentId: string | null
  /** Counts what would be done, and does nothing. */
  readonly dryRun: boolean
  /** Where the step before ended; null to begin. */
  readonly resume: string | null
  readonly signal?: AbortSignal
}

/** What a step did. */
export interface ChoreStep {
  /** By what was counted, in camelCase; a unit is the last word of its name. */
  readonly counts: Readonly<Record<string, number>>
  /** Where the next step goes on; null where the tenant is done. */
  readonly resume: string | null
  /** True where the tenant is none of this chore's, and nothing was looked at. */
  readonly passedOver?: boolean
}

/**
 * Work that each tenant needs now and then, cut into steps that each do a bounded amount: the tenants take turns, so that a
 * large one keeps no other waiting. A step may be killed anywhere, run twice at once, and be forgotten: the next round finds
 * in the database what is left to do, whatever became of `resume`.
 */
export interface Chore {
  /** What jobs, metrics and operators call it. */
  readonly name: string
  /** Names of all that its steps count, those of a dry run alone left out. */
  readonly counted: readonly string[]
  step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep>
}
