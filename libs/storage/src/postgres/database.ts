import type { TenantScope } from '@agentfs/access'
import { isUuid } from '@agentfs/contracts'
import { ConnectionPool, type Lease } from './connection-pool.js'
import { asDomainError, connectionLost, databaseErrorCode } from './database-errors.js'
import { TenantTransaction, Transaction } from './transaction.js'

/** Where the database is, once per role. */
export interface DatabaseOptions {
  /** As agentfs_app, which row-level security binds. */
  readonly url: string
  /** As agentfs_heads, which reads heads and due work over all tenants and nothing else. */
  readonly headsUrl: string
  /** Connections of the app role; 16 unless told. */
  readonly poolSize?: number
  /** Connections of the heads role; 2 unless told. */
  readonly headsPoolSize?: number
  /** Sees every statement's text; for tests that check what all queries have in common. */
  readonly onStatement?: (text: string) => void
}

/**
 * The service's database. Every method throws `unavailable`, with `retryAfterSeconds`, where Postgres does not answer; a
 * transaction whose COMMIT went unanswered may have committed all the same.
 */
export class Database {
  readonly #app: ConnectionPool
  readonly #heads: ConnectionPool
  readonly #onStatement: ((text: string) => void) | undefined

  constructor(options: DatabaseOptions) {
    this.#onStatement = options.onStatement
    this.#app = new ConnectionPool({
      url: options.url,
      size: options.poolSize ?? 16,
      applicationName: 'agentfs',
    })
    this.#heads = new ConnectionPool({
      url: options.headsUrl,
      size: options.headsPoolSize ?? 2,
      applicationName: 'agentfs-heads',
    })
  }

  /**
   * Runs `work` in one transaction of one tenant and commits. Whatever it throws rolls back. `work` need not await its
   * last queries: COMMIT is sent behind them, and this returns when it is answered.
   */
  async withTenant<T>(
    scope: TenantScope,
    work: (tx: TenantTransaction) => Promise<T>,
    atOnce = false,
  ): Promise<T> {
    const { tenantId } = scope
    // SET LOCAL takes no parameters, and set_config does not reach the workers of a distributed Postgres.
    if (!isUuid(tenantId)) throw new TypeError('not a tenant id')
    return this.#transaction(
      this.#app,
      (lease) => new TenantTransaction(lease, scope, this.#onStatement),
      ['begin', `set local app.tenant = '${tenantId}'`],
      work,
      atOnce,
    )
  }

  /**
   * Runs `look`, which sends all its queries before it first waits, in one round trip: COMMIT travels behind them. A query
   * sent later throws.
   */
  async readTenant<T>(scope: TenantScope, look: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    return this.withTenant(scope, look, true)
  }

  /** Runs `work` in a transaction without a tenant: only tables outside the tenants show rows. */
  async withoutTenant<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction(this.#app, (lease) => new Transaction(lease, this.#onStatement), ['begin'], work)
  }

  /** Runs `work` as the role that may read heads and due work across tenants, read only. */
  async acrossTenantsHeads<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#transaction(
      this.#heads,
      (lease) => new Transaction(lease, this.#onStatement),
      ['begin read only'],
      work,
    )
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#app.close(), this.#heads.close()])
  }

  async #transaction<T, Tx extends Transaction>(
    pool: ConnectionPool,
    open: (lease: Lease) => Tx,
    [begin, ...settings]: readonly [string, ...string[]],
    work: (tx: Tx) => Promise<T>,
    atOnce = false,
  ): Promise<T> {
    const lease = await pool.acquire()
    const tx = open(lease)
    try {
      // Not awaited: they travel with the first queries.
      void tx.control(begin).catch(() => undefined)
      for (const setting of settings) void tx.control(setting, false).catch(() => undefined)
      const working = work(tx)
      if (atOnce) return await committedAtOnce(tx, working)
      const result = await working
      tx.seal()
      const command = await tx.control('commit')
      if (tx.failure !== undefined) throw tx.failure.error
      // A failed transaction answers COMMIT with ROLLBACK, without an error.
      if (command !== 'COMMIT') throw connectionLost()
      return result
    } catch (error) {
      tx.seal()
      if (!tx.isOver) await rollBack(tx, lease)
      // Queries behind a failed one only say that the transaction is aborted; the first says why.
      throw asDomainError(databaseErrorCode(error) === ABORTED ? (tx.failure?.error ?? error) : error)
    } finally {
      lease.release()
    }
  }
}

/** Sends COMMIT behind what was sent so far. */
async function committedAtOnce<T>(tx: Transaction, working: Promise<T>): Promise<T> {
  const committed = tx.control('commit')
  tx.seal()
  const [result] = await Promise.allSettled([working, committed])
  if (tx.failure !== undefined) throw tx.failure.error
  if (result.status === 'rejected') throw result.reason
  return result.value
}

const ABORTED = '25P02'

/** Twice: behind a query that failed in the same turn the server skips it, and the second time nothing goes before it. */
async function rollBack(tx: Transaction, lease: Lease): Promise<void> {
  for (let attempt = 1; attempt <= 2; attempt++) {
    try {
      await tx.control('rollback')
      return
    } catch {
      // The connection is gone and the transaction with it, or it was skipped.
    }
  }
  // Nobody may borrow a connection that is in the middle of a transaction.
  await lease.end().catch(() => undefined)
}
