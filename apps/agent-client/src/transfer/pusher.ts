import { createHash } from 'node:crypto'
import { AgentfsError, type Operation, type OperationResult, uuidv7 } from '@agentfs/contracts'
import { type AgentHandle, packMessage } from '@agentfs/sdk'
import { retrying } from './retrying.js'

const OPERATIONS_MAX = 500
const BYTES_MAX = 6 * 1_048_576

/** Operations that go in one push, and who hears what became of them. */
export interface Unit {
  readonly operations: readonly Operation[]
  /** Bytes of content in them. */
  readonly bytes: number
  readonly settle: (results: readonly OperationResult[]) => void
}

/** Pushes operations in order, many in a commit. A push is frozen and sent again until it is answered: it is applied once [SY-8]. */
export class Pusher {
  readonly #agent: AgentHandle
  readonly #epoch: number
  readonly #signal: AbortSignal
  readonly #store = uuidv7()
  #number = 0
  #previous: string | null = null
  #units: Unit[] = []
  #operations = 0
  #bytes = 0

  constructor(agent: AgentHandle, epoch: number, signal: AbortSignal) {
    this.#agent = agent
    this.#epoch = epoch
    this.#signal = signal
  }

  /** Takes a unit along, after sending what it does not fit beside. */
  async add(unit: Unit): Promise<void> {
    const full =
      this.#operations + unit.operations.length > OPERATIONS_MAX || this.#bytes + unit.bytes > BYTES_MAX
    if (full) await this.flush()
    this.#units.push(unit)
    this.#operations += unit.operations.length
    this.#bytes += unit.bytes
  }

  /** Sends what waits. */
  async flush(): Promise<void> {
    if (this.#units.length === 0) return
    const units = this.#units.splice(0)
    this.#operations = this.#bytes = 0
    const operations = units.flatMap((unit) => unit.operations)
    const number = ++this.#number
    const body = packMessage({ store: this.#store, number, previous: this.#previous, operations })
    this.#previous = createHash('sha256').update(body).digest('hex')
    const { results } = await retrying(this.#signal, () =>
      this.#agent.sync.push(body, this.#epoch, this.#signal),
    )
    if (results.length !== operations.length)
      throw new AgentfsError('internal', { detail: 'the service answered another push' })
    let at = 0
    for (const unit of units) unit.settle(results.slice(at, (at += unit.operations.length)))
  }
}
