import {
  CollectChore,
  Collector,
  CompactChore,
  type Chore,
  type FollowerOptions,
  PackChore,
  RetainChore,
} from '@agentfs/engine'

const HOUR_MS = 3_600_000

/** A chore of this service: run by workers, and by hand with `agentfs-server maintenance <name>`. */
export interface ChoreEntry {
  readonly name: string
  /** For `--help`. */
  readonly description: string
  /** How often workers run it; null: only by hand. */
  readonly intervalMs: number | null
  readonly make: (options: FollowerOptions) => Chore
}

/** Every chore there is: the one place to add one. */
export const CHORES: readonly ChoreEntry[] = [
  {
    name: 'pack',
    description: 'store all that waits in the database, due or not',
    // Workers pack stream by stream, as hints and the sweeper say.
    intervalMs: null,
    make: (options) => new PackChore(options),
  },
  {
    name: 'collect',
    description: 'delete stored objects that nothing has pointed at for the grace time',
    intervalMs: HOUR_MS,
    make: (options) => new CollectChore(new Collector(options)),
  },
  {
    name: 'retain',
    description: 'forget versions and deleted files past retention',
    intervalMs: 6 * HOUR_MS,
    make: (options) => new RetainChore(options),
  },
  {
    name: 'compact',
    description: 'rewrite stored segments of which little is used, and merge small ones',
    intervalMs: HOUR_MS,
    make: (options) => new CompactChore(options),
  },
]

/** The chores that workers run. */
export function periodicChores(options: FollowerOptions): { chore: Chore; intervalMs: number }[] {
  return CHORES.flatMap(({ intervalMs, make }) =>
    intervalMs === null ? [] : [{ chore: make(options), intervalMs }],
  )
}
