import { decode, encode } from './row-codec.js'
import type { Sealer } from './sealer.js'
import type { StoreDatabase } from './store-database.js'

/** What reading and writing single facts takes. */
export interface MetaAccess {
  readonly database: StoreDatabase
  readonly sealer: Sealer
}

/** A fact of the store; undefined where it was never written. The caller checks its shape. */
export function readMeta({ database, sealer }: MetaAccess, key: string): unknown {
  const row = database.sql('select sealed from meta where key = ?').get(key)
  return row?.['sealed'] instanceof Uint8Array ? decode(sealer.open('meta', key, row['sealed'])) : undefined
}

/** Writes a fact. */
export function writeMeta({ database, sealer }: MetaAccess, key: string, value: unknown): void {
  database
    .sql(
      'insert into meta (key, sealed) values (?, ?) on conflict (key) do update set sealed = excluded.sealed',
    )
    .run(key, sealer.seal('meta', key, encode(value)))
}
