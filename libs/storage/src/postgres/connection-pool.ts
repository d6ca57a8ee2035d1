import { connect, type Socket } from 'node:net'
import postgres from 'postgres'
import { connectionLost } from './database-errors.js'

/** Postgres sends eight-byte integers as text; all of ours stay below 2^53. */
const TYPES = {
  bigint: { to: 20, from: [20], parse: Number, serialize: String },
  // JSON goes out as text that the caller made: drizzle does too, and twice would quote it.
  json: {
    to: 3802,
    from: [114, 3802],
    parse: (text: string): unknown => JSON.parse(text),
    serialize: (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value)),
  },
  uuids: { to: 2951, from: [2951, 1009], parse: parseArray, serialize: String },
}

/** A client of one connection. */
type SingleConnection = postgres.Sql<{ bigint: number; json: unknown; uuids: string[] }>

/** What a pool is made with. */
export interface ConnectionPoolOptions {
  readonly url: string
  readonly size: number
  readonly applicationName: string
}

/** A connection for one borrower. Once it is lost it stays lost, though the client under it would reconnect. */
export interface Lease {
  readonly sql: SingleConnection
  /** Throws where the connection ended since it was borrowed: what follows would run outside the transaction. */
  assertAlive(): void
  /** Rejects when the connection ends before it is released. The driver can forget a query sent in that very moment. */
  readonly lost: Promise<never>
  release(): void
}

/** A place in the pool, and the client that has it; one whose connection ended is replaced at its next use. */
interface Slot {
  client: Client
}

interface Client {
  readonly sql: SingleConnection
  lost: boolean
  /** Tells the borrower. */
  onLost: (() => void) | undefined
}

/**
 * A pool of single-connection clients, each thrown away when its connection ends. postgres.js 3.4.9 would reconnect,
 * but what it had buffered for the old connection then precedes the new one's greeting, and the client hangs; and
 * a connection it has reserved writes to a null socket. With one client per connection a loss is seen here.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #idle: Slot[] = []
  readonly #waiting: ((slot: Slot) => void)[] = []
  readonly #slots: Slot[] = []

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
    for (let count = 0; count < options.size; count++) this.#slots.push({ client: newClient(options) })
    this.#idle.push(...this.#slots)
  }

  /** Borrows a connection, first come, first served. */
  async acquire(): Promise<Lease> {
    // Last in, first out: few connections stay warm under little load.
    const slot = this.#idle.pop() ?? (await this.#nextReleased())
    if (slot.client.lost) {
      void slot.client.sql.end({ timeout: 0 }).catch(() => undefined)
      slot.client = newClient(this.#options)
    }
    const { client } = slot
    let released = false
    const lost = new Promise<never>((_resolve, reject) => {
      client.onLost = () => reject(connectionLost())
    })
    lost.catch(() => undefined)
    return {
      sql: client.sql,
      lost,
      assertAlive: () => {
        if (released || client.lost) throw connectionLost()
      },
      release: () => {
        if (released) return
        released = true
        client.onLost = undefined
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

  /** Ends all connections, letting queries under way finish for a while. */
  async close(): Promise<void> {
    await Promise.all(this.#slots.map(async ({ client }) => client.sql.end({ timeout: 5 })))
  }
}

function newClient(options: ConnectionPoolOptions): Client {
  // An option of the driver that its types leave out.
  const socketOption = { socket: connectInBatches }
  const client: Client = {
    lost: false,
    onLost: undefined,
    sql: postgres(options.url, {
      ...socketOption,
      max: 1,
      fetch_types: false,
      idle_timeout: 0,
      // A transaction holds the connection between its queries; the client must not retire it then.
      max_lifetime: null,
      connect_timeout: 10,
      onnotice: () => undefined,
      onclose: () => {
        client.lost = true
        client.onLost?.()
      },
      types: TYPES,
      transform: { column: { from: postgres.toCamel } },
      connection: {
        application_name: options.applicationName,
        statement_timeout: 30_000,
        idle_in_transaction_session_timeout: 30_000,
        // All queries are look-ups by key: one plan each is enough, and must not turn into a scan while a table is small.
        plan_cache_mode: 'force_generic_plan',
        enable_seqscan: 'off',
        jit: 'off',
      },
    }),
  }
  return client
}

/**
 * A socket that sends what was written in one turn of the event loop at its end, in one call, and then at once. The driver
 * writes each statement by itself; a write costs more than most statements do. Nagle's algorithm would make each but the
 * first wait for the server's delayed acknowledgement, 40 ms. Given out while it connects, for then a refusal ends the
 * connection as the driver expects it.
 */
function connectInBatches({ host, port, path }: DriverAddress): Socket {
  const socket =
    typeof path === 'string'
      ? connect({ path })
      : connect({ host: host[0] ?? 'localhost', port: port[0] ?? 5432, noDelay: true })
  const write = socket.write.bind(socket)
  let corked = false
  const batched = (...parameters: Parameters<typeof write>): boolean => {
    if (!corked) {
      corked = true
      socket.cork()
      setImmediate(() => {
        corked = false
        socket.uncork()
      })
    }
    return write(...parameters)
  }
  // The overloads of `write` are passed through as they come.
  socket.write = batched as typeof socket.write
  return socket
}

/** The driver's parsed options, as far as they say where the server is. */
interface DriverAddress {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path: string | false
}

/** A one-dimensional array of ids or words as Postgres prints it; elements here hold no commas or quotes that need more. */
function parseArray(text: string): string[] {
  const inner = text.slice(1, -1)
  if (inner === '') return []
  if (!inner.includes('"')) return inner.split(',')
  const elements: string[] = []
  for (const [, quoted, plain] of inner.matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)) {
    elements.push(quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'))
  }
  return elements
}
