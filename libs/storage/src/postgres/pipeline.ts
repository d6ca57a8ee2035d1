import pg from 'pg'
import { camelCase, type ColumnParser, parserOf } from './column-types.js'
import { connectionLost, databaseErrorCode, isStalePlan } from './database-errors.js'
import { type ParameterValue, ProtocolWriter } from './protocol-writer.js'
import type { QueryValue } from './statement.js'

/** A query for a pipeline. */
export interface PipelineQuery {
  readonly text: string
  readonly values: readonly (QueryValue | undefined)[]
  /** Rows as objects by column in camelCase, or as plain arrays. */
  readonly form: 'objects' | 'arrays'
  /** Planned once and kept by the connection; false for a text that will not come again. */
  readonly kept: boolean
}

/** What a query gave: its rows, and what Postgres calls what it did, such as `COMMIT`. */
export interface PipelineAnswer {
  readonly rows: unknown[]
  readonly command: string
}

/** Where a connection leads. */
export interface PipelineOptions extends pg.ClientConfig {
  /** The connection ended, by whatever cause. */
  readonly onEnd: () => void
  /** How long the server may say nothing to a turn that it was sent; longer than it gives a statement. */
  readonly silenceMs?: number
}

/**
 * One connection that sends all the queries of a turn of the event loop in one write and has them answered in one: the extended
 * protocol with one Sync behind them all. A driver that asks for an answer to each query makes the server send, and us read, as
 * often as there are queries; those calls cost more than most queries do.
 *
 * Behind a query that failed the server skips the rest of its turn: those fail as in an aborted transaction, with 25P02.
 */
export class Pipeline {
  readonly #client: pg.Client
  readonly #onEnd: () => void
  readonly #silenceMs: number
  readonly #plans = new Map<string, Plan>()
  #waiting: Waiting[] = []
  #state: 'new' | 'connecting' | 'idle' | 'busy' | 'ended' = 'new'
  #scheduled = false
  #names = 0
  #silence: NodeJS.Timeout | undefined

  constructor({ onEnd, silenceMs = SILENCE_MS, ...options }: PipelineOptions) {
    this.#client = new pg.Client(options)
    this.#onEnd = onEnd
    this.#silenceMs = silenceMs
    // What is under way is told by the client; an idle connection has nobody else to tell.
    this.#client.on('error', () => this.#ended())
    this.#client.on('end', () => this.#ended())
  }

  /** Takes a query to be sent with the others of this turn. */
  query(query: PipelineQuery): Promise<PipelineAnswer> {
    if (this.#state === 'ended') return Promise.reject(connectionLost())
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...query, resolve, reject })
      this.#schedule()
    })
  }

  /** Ends the connection once nothing is under way. */
  async close(): Promise<void> {
    if (this.#state === 'ended' || this.#state === 'new') return
    await this.#client.end()
  }

  #schedule(): void {
    if (this.#scheduled || this.#state === 'busy' || this.#state === 'connecting') return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#state === 'new') this.#connect()
      else this.#send()
    })
  }

  #connect(): void {
    this.#state = 'connecting'
    this.#client.connect().then(
      () => {
        if (this.#state !== 'connecting') return
        this.#state = 'idle'
        this.#send()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #send(): void {
    if (this.#state !== 'idle' || this.#waiting.length === 0) return
    this.#state = 'busy'
    const queries = this.#waiting
    this.#waiting = []
    const turn = new Turn(queries, (query) => this.#planOf(query), {
      heard: () => this.#silence?.refresh(),
      answered: () => {
        clearTimeout(this.#silence)
        if (this.#state !== 'busy') return
        this.#state = 'idle'
        if (this.#waiting.length > 0) this.#schedule()
      },
      failed: (error, dropped) => {
        for (const plan of dropped) this.#forget(plan)
        // A kept plan whose tables were changed fails until the connection is a new one.
        if (!(error instanceof pg.DatabaseError) || isStalePlan(error)) this.#ended()
      },
    })
    this.#client.query(turn)
    // A server that is gone without a word, or stopped: nothing else would ever end the wait.
    this.#silence = setTimeout(() => turn.abandon(), this.#silenceMs)
  }

  /** The plan of a query's text, and whether the server has it. */
  #planOf({ text, kept }: PipelineQuery): Plan {
    if (!kept) return { name: '', text, isKnown: false, columns: [] }
    const known = this.#plans.get(text)
    if (known !== undefined) return known
    // A number of its own each time: the server may have kept what failed under an earlier one.
    this.#names += 1
    const plan = { name: `s${this.#names}`, text, isKnown: false, columns: [] }
    this.#plans.set(text, plan)
    return plan
  }

  #forget(plan: Plan): void {
    if (this.#plans.get(plan.text) === plan) this.#plans.delete(plan.text)
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(lossOr(error))
    this.#ended()
  }

  #ended(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearTimeout(this.#silence)
    for (const { reject } of this.#waiting.splice(0)) reject(connectionLost())
    this.#onEnd()
    // One that failed while it connected too: the client may leave its socket open.
    void this.#client.end().catch(() => undefined)
  }
}

const ABORTED = '25P02'
/** Statements end by themselves after 30 s. */
const SILENCE_MS = 45_000

interface Waiting extends PipelineQuery {
  readonly resolve: (answer: PipelineAnswer) => void
  readonly reject: (error: unknown) => void
}

/** A statement that the server has, or is about to have, under a name. */
interface Plan {
  readonly name: string
  readonly text: string
  isKnown: boolean
  columns: readonly Column[]
}

interface Column {
  readonly name: string
  readonly parse: ColumnParser
}

interface Outcome {
  /** The server answered one of the queries. */
  heard(): void
  answered(): void
  /** With the plans that the server may not have made. */
  failed(error: unknown, dropped: readonly Plan[]): void
}

/** Queries that are sent and answered together. What it does is called by the client, message by message. */
class Turn implements pg.Submittable {
  readonly #queries: readonly Waiting[]
  readonly #plans: readonly Plan[]
  /** The first use of a plan is where the server makes it. */
  readonly #making: readonly boolean[]
  readonly #outcome: Outcome
  #at = 0
  #rows: unknown[] = []
  #connection: pg.Connection | undefined

  constructor(queries: readonly Waiting[], planOf: (query: Waiting) => Plan, outcome: Outcome) {
    this.#queries = queries
    this.#outcome = outcome
    const making: boolean[] = []
    this.#plans = queries.map((query) => {
      const plan = planOf(query)
      making.push(!plan.isKnown)
      plan.isKnown = true
      return plan
    })
    this.#making = making
  }

  /** Gives what cannot be encoded back as an error, which the client hands to `handleError`: thrown, it would end the process. */
  submit(connection: pg.Connection): Error | undefined {
    this.#connection = connection
    try {
      connection.stream.write(this.#encoded())
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  #encoded(): Uint8Array {
    const writer = new ProtocolWriter()
    for (const [index, { values }] of this.#queries.entries()) {
      const plan = this.#plans[index]
      if (plan === undefined) break
      const { name, text } = plan
      if (this.#making[index] === true) writer.parse(name, text)
      if (this.#making[index] === true && name !== '') writer.describe(name)
      writer.bind(name, values.map(parameterOf)).execute()
    }
    return writer.sync().take()
  }

  /** Cuts the connection; all that waits for an answer hears that it is lost. */
  abandon(): void {
    this.#connection?.stream.destroy(new Error('the server has been silent for too long'))
  }

  handleRowDescription({ fields }: { readonly fields: readonly FieldDescription[] }): void {
    const plan = this.#plans[this.#at]
    if (plan === undefined) return
    plan.columns = fields.map(({ name, dataTypeID }) => ({
      name: camelCase(name),
      parse: parserOf(dataTypeID),
    }))
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const columns = this.#plans[this.#at]?.columns ?? []
    if (this.#queries[this.#at]?.form === 'arrays') {
      this.#rows.push(columns.map(({ parse }, index) => valueOf(fields[index], parse)))
      return
    }
    const row: Record<string, unknown> = {}
    for (const [index, { name, parse }] of columns.entries()) row[name] = valueOf(fields[index], parse)
    this.#rows.push(row)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#complete(text)
  }

  handleEmptyQuery(): void {
    this.#complete('')
  }

  handleReadyForQuery(): void {
    this.#outcome.answered()
  }

  handleError(error: unknown): void {
    const dropped = this.#plans.filter((_, index) => index >= this.#at && this.#making[index] === true)
    this.#queries[this.#at]?.reject(lossOr(error))
    for (const { reject } of this.#queries.slice(this.#at + 1)) {
      reject(error instanceof pg.DatabaseError ? new SkippedQuery() : connectionLost())
    }
    this.#at = this.#queries.length
    this.#outcome.failed(error, dropped)
    // The client says no more of a turn that failed, and sends the next one when the server is ready for it.
    this.#outcome.answered()
  }

  #complete(command: string): void {
    this.#queries[this.#at]?.resolve({ rows: this.#rows, command })
    this.#rows = []
    this.#at += 1
    this.#outcome.heard()
  }
}

function valueOf(text: string | null | undefined, parse: ColumnParser): unknown {
  return text === null || text === undefined ? null : parse(text)
}

interface FieldDescription {
  readonly name: string
  readonly dataTypeID: number
}

/** A query behind one that failed. */
class SkippedQuery extends Error {
  readonly code = ABORTED
  constructor() {
    super('a query before this one failed')
  }
}

/** What the server says stays what it is, and so does a refused connection; anything else is a lost one. */
function lossOr(error: unknown): unknown {
  return databaseErrorCode(error) === '' ? Object.assign(connectionLost(), { cause: error }) : error
}

/** A value as the protocol carries it: bytes as they are, all else as Postgres reads it. */
function parameterOf(value: QueryValue | undefined): ParameterValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || value instanceof Uint8Array) return value
  return value instanceof Date ? value.toISOString() : String(value)
}
