import {
  CollectChore,
  Collector,
  CompactChore,
  type Chore,
  ErasedTenantsChore,
  type ErasedTenantsOptions,
  type FollowerOptions,
  ImagesChore,
  LivingTenants,
  OrphansChore,
  PackChore,
  PrefixChore,
  RetainChore,
  RewrapChore,
  RotateChore,
  RotateRootChore,
  ScrubChore,
  type ScrubOptions,
  UsageChore,
} from '@agentfs/engine'

const HOUR_MS = 3_600_000

/** What any chore is made of. */
export type ChoreOptions = ScrubOptions & ErasedTenantsOptions

/** A chore of this service: run by workers, and by hand with `agentfs-server maintenance <name>`. */
export interface ChoreEntry {
  readonly name: string
  /** For `--help`. */
  readonly description: string
  /** How often workers run it; null: only by hand. */
  readonly intervalMs: number | null
  readonly make: (options: ChoreOptions) => Chore
  /** What `--root` does instead. */
  readonly makeRoot?: (options: FollowerOptions) => Chore
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
    make: (options) => living(new RetainChore(options), options),
  },
  {
    name: 'prefixes',
    description: 'keep old versions of files that were appended to as beginnings of a later one',
    intervalMs: HOUR_MS,
    make: (options) => living(new PrefixChore(options), options),
  },
  {
    name: 'compact',
    description: 'rewrite stored segments of which little is used, and merge small ones',
    intervalMs: HOUR_MS,
    make: (options) => living(new CompactChore(options), options),
  },
  {
    name: 'erased-tenants',
    description:
      'delete what is left of tenants that were erased: rows at once, objects after the grace time',
    intervalMs: HOUR_MS,
    make: (options) => new ErasedTenantsChore(options),
  },
  {
    name: 'usage',
    description: 'count what stands in the bucket: live, unused and dead bytes, objects, versions',
    intervalMs: HOUR_MS,
    make: (options) => new UsageChore(options),
  },
  {
    name: 'images',
    description:
      'write images of trees whose streams have grown a lot, so that a recovery need not fold them whole',
    intervalMs: 6 * HOUR_MS,
    make: (options) => living(new ImagesChore(options), options),
  },
  {
    name: 'orphans',
    description: 'mark stored objects that no row knows, leftovers of a month ago, for the collector',
    intervalMs: 24 * HOUR_MS,
    make: (options) => living(new OrphansChore(options), options),
  },
  {
    name: 'rotate-keys',
    description:
      'give each tenant a new key-encryption key, and wrap all its keys under it; contents stay as they are',
    intervalMs: null,
    make: (options) => living(new RotateChore(options), options),
    makeRoot: (options) => living(new RotateRootChore(options), options),
  },
  {
    name: 'rewrap-keys',
    description:
      'finish what a rotation left: keys under an older key-encryption key, old copies in the ledger',
    intervalMs: HOUR_MS,
    make: (options) => living(new RewrapChore(options), options),
  },
  {
    name: 'scrub',
    description: 'read back stored objects that nobody has read back for 30 days',
    intervalMs: HOUR_MS,
    make: (options) => living(new ScrubChore(options), options),
  },
]

function living(chore: Chore, { database }: FollowerOptions): Chore {
  return new LivingTenants(chore, database)
}

/** The chores that workers run. */
export function periodicChores(options: ChoreOptions): { chore: Chore; intervalMs: number }[] {
  return CHORES.flatMap(({ intervalMs, make }) =>
    intervalMs === null ? [] : [{ chore: make(options), intervalMs }],
  )
}
