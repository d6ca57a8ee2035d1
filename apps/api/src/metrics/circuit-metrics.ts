import { Counter, Gauge, Registry } from 'prom-client'

/** A circuit as it is when somebody looks. */
export interface Circuit {
  readonly state: 'closed' | 'open' | 'trying'
  readonly openings: number
  readonly refusals: number
}

/** The circuits of one object store. */
export type CircuitsOf = () => { readonly reading: Circuit; readonly writing: Circuit }

const LEVELS = { closed: 0, trying: 1, open: 2 } as const satisfies Record<Circuit['state'], number>

/** Which object stores this process leaves alone because they are away, for reads and for writes [OUT-1]. */
export class CircuitMetrics {
  readonly registry = new Registry()

  constructor(stores: ReadonlyMap<string, CircuitsOf>) {
    const common = { labelNames: ['store', 'direction'] as const, registers: [this.registry] }
    const state = new Gauge({
      ...common,
      name: 'agentfs_object_store_circuit',
      help: 'Whether calls to an object store pass (0), are tried again one by one (1), or are refused at once because it is away (2).',
      collect: () => each(stores, (labels, circuit) => state.set(labels, LEVELS[circuit.state])),
    })
    const openings = new Counter({
      ...common,
      name: 'agentfs_object_store_circuit_openings_total',
      help: 'How often an object store was found to be away.',
      collect: () => {
        openings.reset()
        each(stores, (labels, circuit) => openings.inc(labels, circuit.openings))
      },
    })
    const refusals = new Counter({
      ...common,
      name: 'agentfs_object_store_refusals_total',
      help: 'Calls that were refused without asking an object store that is away.',
      collect: () => {
        refusals.reset()
        each(stores, (labels, circuit) => refusals.inc(labels, circuit.refusals))
      },
    })
  }
}

function each(
  stores: ReadonlyMap<string, CircuitsOf>,
  note: (labels: { store: string; direction: 'reading' | 'writing' }, circuit: Circuit) => void,
): void {
  for (const [store, circuits] of stores) {
    const { reading, writing } = circuits()
    note({ store, direction: 'reading' }, reading)
    note({ store, direction: 'writing' }, writing)
  }
}
