import { connectionLost } from './database-errors.js'
import { Pipeline, type PipelineAnswer, type PipelineQuery } from './pipeline.js'

/** What a pool is made with. */
export interface ConnectionPoolOptions {
  readonly url: string
  readonly size: number
  readonly applicationName: string
}

/** A connection for one borrower. Once it is lost it stays lost. */
export interface Lease {
  query(query: PipelineQuery): Promise<PipelineAnswer>
  /** Throws where the connection ended since it was borrowed: what follows would run outside the transaction. */
  assertAlive(): void
  /** Ends the connection: the next borrower gets another. */
  end(): Promise<void>
  release(): void
}

/** A place in the pool, and the client that has it; one whose connection ended is replaced at its next use. */
interface Slot {
  client: Client
}

interface Client {
  readonly pipeline: Pipeline
  lost: boolean
}

/** A pool of connections, each thrown away when it ended. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #idle: Slot[] = []
  readonly #waiting: ((slot: Slot) => void)[] = []
  readonly #slots: Slot[] = []
  #closed = false

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
    for (let count = 0; count < options.size; count++) this.#slots.push({ client: newClient(options) })
    this.#idle.push(...this.#slots)
  }

  /** Borrows a connection, first come, first served; `unavailable` once the pool is closed. */
  async acquire(): Promise<Lease> {
    // Whoever comes late must not open a connection that nobody would end; those who wait already are served.
    if (this.#closed) throw connectionLost()
    // Last in, first out: few connections stay warm under little load.
    const slot = this.#idle.pop() ?? (await this.#nextReleased())
    if (slot.client.lost) slot.client = newClient(this.#options)
    const { client } = slot
    let released = false
    return {
      query: (query) => client.pipeline.query(query),
      assertAlive: () => {
        if (released || client.lost) throw connectionLost()
      },
      end: () => {
        client.lost = true
        return client.pipeline.close()
      },
      release: () => {
        if (released) return
        released = true
        const next = this.#waiting.shift()
        if (next === undefined) this.#idle.push(slot)
        else next(slot)
      },
    }
  }

  #nextReleased(): Promise<Slot> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Ends all connections, letting what is under way finish for a while. */
  async close(): Promise<void> {
    this.#closed = true
    const deadline = performance.now() + CLOSE_MS_MAX
    while (this.#idle.length < this.#slots.length && performance.now() < deadline) {
      await new Promise((resolve) => void setTimeout(resolve, CLOSE_LOOK_MS))
    }
    await Promise.all(this.#slots.map(({ client }) => client.pipeline.close()))
  }
}

const CLOSE_MS_MAX = 5_000
const CLOSE_LOOK_MS = 5

function newClient({ url, applicationName }: ConnectionPoolOptions): Client {
  const client: Client = {
    lost: false,
    pipeline: new Pipeline({
      ...addressOf(url),
      application_name: applicationName,
      connectionTimeoutMillis: 10_000,
      // A server that is gone without a word: the line is asked for.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      statement_timeout: 30_000,
      idle_in_transaction_session_timeout: 30_000,
      options: SESSION,
      onEnd: () => {
        client.lost = true
      },
    }),
  }
  return client
}

/**
 * All queries are look-ups by key: one plan each is enough, and must not turn into a scan while a table is small. Bytes and
 * times come in the forms that `column-types` reads, whatever the database's own settings are.
 */
const SESSION =
  '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off -c bytea_output=hex -c datestyle=ISO'

/**
 * Where a URL leads. `sslmode` means what it means to libpq: `require` encrypts and believes any certificate, `verify-full`
 * believes those that the machine does.
 */
function addressOf(url: string): { readonly connectionString: string } {
  const parsed = new URL(url)
  if (parsed.searchParams.has('sslmode')) parsed.searchParams.set('uselibpqcompat', 'true')
  return { connectionString: parsed.href }
}
