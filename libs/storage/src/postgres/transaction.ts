import type { TenantScope } from '@agentfs/access'
import { drizzle, type PgRemoteDatabase } from 'drizzle-orm/pg-proxy'
import type postgres from 'postgres'
import type { Lease } from './connection-pool.js'
import { batchText, type QueryValue, type Statement } from './statement.js'

/** Rows to come. */
export type PendingRows<Row extends object> = Promise<Row[] & { readonly count: number }>

/**
 * An open transaction. Queries are sent at once, in order, without waiting for one another: await only what the next
 * step needs. The first failure fails the transaction, whether its query was awaited or not.
 */
export class Transaction {
  readonly #lease: Lease
  readonly #onStatement: ((text: string) => void) | undefined
  #failure: { error: unknown } | undefined
  #drizzle: PgRemoteDatabase | undefined
  #sealed = false

  /** Made by `Database`. */
  constructor(lease: Lease, onStatement?: (text: string) => void) {
    this.#lease = lease
    this.#onStatement = onStatement
  }

  /** Sends a query; columns come back in camelCase. */
  query<Row extends object = Record<string, unknown>>(
    text: TemplateStringsArray,
    ...values: QueryValue[]
  ): PendingRows<Row> {
    this.#assertOpen()
    this.#onStatement?.(text.join('?'))
    // The driver's row type is wider than a promise of rows, and generic over types of its own.
    const pending = this.#lease.sql<Row[]>(text, ...(values as postgres.ParameterOrFragment<never>[]))
    return this.#sent(pending.execute()) as PendingRows<Row>
  }

  /** Sends a statement that was written down before. */
  run<Row extends object = Record<string, unknown>>({ text, values }: Statement): PendingRows<Row> {
    return this.query<Row>(text, ...values)
  }

  /** Sends several statements as one, see `batchText` for what they may be: one round of work for the server and for us. */
  batch(statements: readonly Statement[]): Promise<unknown> {
    const [first, ...more] = statements
    if (first === undefined) return Promise.resolve()
    if (more.length === 0) return this.run(first)
    this.#assertOpen()
    const text = batchText(statements)
    this.#onStatement?.(text)
    const values = statements.flatMap((statement) => [...statement.values])
    const pending = this.#lease.sql.unsafe(text, values, { prepare: true })
    return this.#sent(pending.execute())
  }

  /**
   * Leaves something to finish behind the caller's back: its failure fails the transaction. A promise that is merely dropped
   * ends the process when it fails.
   */
  later(working: Promise<unknown>): void {
    working.catch((error: unknown) => {
      this.#failure ??= { error }
    })
  }

  /** Typed queries on the tables of `schema/`, for all that is not hot. */
  get db(): PgRemoteDatabase {
    this.#drizzle ??= drizzle(async (text, values: postgres.ParameterOrJSON<never>[], method) => {
      this.#assertOpen()
      this.#onStatement?.(text)
      const pending = this.#lease.sql.unsafe(text, values, { prepare: true })
      const rows = await this.#sent(method === 'all' ? pending.values().execute() : pending.execute())
      return { rows: [...rows] }
    })
    return this.#drizzle
  }

  /** Sends statements without values or rows, several in one text. For `Database` and the migrator. */
  send(text: string): Promise<{ readonly command: string }> {
    this.#lease.assertAlive()
    return this.#sent(this.#lease.sql.unsafe(text).simple().execute())
  }

  /** The first failure of any query sent so far and answered. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Sends nothing more: COMMIT is on its way. */
  seal(): void {
    this.#sealed = true
  }

  #assertOpen(): void {
    if (this.#sealed) throw new Error('a query was sent behind the COMMIT of its transaction')
    this.#lease.assertAlive()
  }

  #sent<T>(pending: Promise<T>): Promise<T> {
    const settled = Promise.race([pending, this.#lease.lost])
    settled.catch((error: unknown) => {
      this.#failure ??= { error }
    })
    return settled
  }
}

/** A transaction for one tenant: row-level security shows it that tenant's rows only. */
export class TenantTransaction extends Transaction {
  readonly scope: TenantScope
  readonly tenantId: string

  /** Made by `Database.withTenant`. */
  constructor(lease: Lease, scope: TenantScope, onStatement?: (text: string) => void) {
    super(lease, onStatement)
    this.scope = scope
    this.tenantId = scope.tenantId
  }
}
