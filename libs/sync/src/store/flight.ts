import { decode, encode } from './row-codec.js'
import type { StoreState } from './store-state.js'
import type { Flight } from './wire-operations.js'

/** The push in flight; undefined where there is none. */
export function currentFlight(state: StoreState): Flight | undefined {
  if (state.flight === undefined) state.flight = readFlight(state) ?? null
  return state.flight ?? undefined
}

/** Writes a push's row. Within a transaction, after which `state.flight` is to be set. */
export function storeFlight(state: StoreState, { number, digest, blob, parts }: Flight): void {
  state.database
    .sql('insert into pushes (number, blob, sealed) values (?, ?, ?)')
    .run(number, blob, state.sealer.seal('pushes', number, encode({ digest, parts })))
}

/** Drops a push's row and bytes. Within a transaction, after which `state.flight` is to be set. */
export function dropFlight(state: StoreState, flight: Flight): void {
  state.database.sql('delete from pushes where number = ?').run(flight.number)
  state.blobs.remove(flight.blob)
}

function readFlight(state: StoreState): Flight | undefined {
  const row = state.database.sql('select number, blob, sealed from pushes').get()
  if (row === undefined || !(row['sealed'] instanceof Uint8Array)) return undefined
  const number = Number(row['number'])
  const body = decode(state.sealer.open('pushes', number, row['sealed'])) as Pick<Flight, 'digest' | 'parts'>
  return { number, blob: Number(row['blob']), ...body }
}
