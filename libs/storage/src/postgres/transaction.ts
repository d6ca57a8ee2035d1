import type { TenantScope } from '@agentfs/access'
import { drizzle, type PgRemoteDatabase } from 'drizzle-orm/pg-proxy'
import type { Lease } from './connection-pool.js'
import type { PipelineQuery } from './pipeline.js'
import { batchText, statementText, type QueryValue, type Statement } from './statement.js'

/** Rows to come. */
type PendingRows<Row extends object> = Promise<Row[]>

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
  #isOver = false

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
    return this.#send<Row>(statementText(text), values)
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
    const values = statements.flatMap((statement) => [...statement.values])
    return this.#send(batchText(statements), values)
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
    this.#drizzle ??= drizzle(async (text, values: QueryValue[], method) => {
      const form = method === 'all' ? 'arrays' : 'objects'
      return { rows: await this.#send<object>(text, values, form) }
    })
    return this.#drizzle
  }

  /** Sends a statement without values or rows that begins or ends a transaction; gives what became of it. For `Database`. */
  async control(text: string, kept = true): Promise<string> {
    this.#lease.assertAlive()
    const { command } = await this.#noted(this.#lease.query({ text, values: [], form: 'objects', kept }))
    this.#isOver = command === 'COMMIT' || command === 'ROLLBACK'
    return command
  }

  /** True once Postgres said that it has ended, either way. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** The first failure of any query sent so far and answered. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Sends no queries any more: COMMIT or ROLLBACK is on its way. */
  seal(): void {
    this.#sealed = true
  }

  #assertOpen(): void {
    if (this.#sealed) throw new Error('a query was sent behind the end of its transaction')
    this.#lease.assertAlive()
  }

  #send<Row extends object>(
    text: string,
    values: readonly QueryValue[],
    form: 'objects' | 'arrays' = 'objects',
  ): PendingRows<Row> {
    this.#assertOpen()
    this.#onStatement?.(text)
    const rows = this.#rowsOf<Row>({ text, values, form, kept: true })
    // A caller who waits for COMMIT alone need not look at it.
    rows.catch(() => undefined)
    return rows
  }

  async #rowsOf<Row extends object>(query: PipelineQuery): PendingRows<Row> {
    // Where BEGIN itself failed the server would run, and commit, each query on its own.
    if (this.#failure !== undefined) throw this.#failure.error
    const { rows } = await this.#noted(this.#lease.query(query))
    // What the columns are is known to the statement alone.
    return rows as Row[]
  }

  #noted<T>(pending: Promise<T>): Promise<T> {
    pending.catch((error: unknown) => {
      this.#failure ??= { error }
    })
    return pending
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
