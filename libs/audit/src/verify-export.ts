import { isAgentfsError, type Receipt } from '@agentfs/contracts'
import type { Checkpoint } from './checkpoint.js'
import { CheckpointChain } from './checkpoint-chain.js'
import { ExportedLog, type LogFinding } from './exported-log.js'
import { readExportLine } from './export-line.js'
import { recordLeaf } from './record-leaf.js'
import { type NoteVerifier, parseVerifierKey } from './signed-note.js'

/** What the verifier brings: the more, and the older, the more is detected. */
export interface Evidence {
  /** Verifier keys got elsewhere than from the export; without them the export vouches for itself. */
  readonly keys?: readonly string[]
  /** Signed notes kept from before. */
  readonly checkpoints?: readonly string[]
  readonly receipts?: readonly Receipt[]
}

/** One thing that is wrong with an export. */
export interface ExportProblem {
  /**
   * `line`: not a line of an export. `changed`: records were deleted, edited, inserted or moved. `cut`: records
   * are missing at the end. `chain`: checkpoints are missing or were replaced. `signature`: a checkpoint that no
   * trusted key signed. `key`: no key to check signatures with.
   */
  readonly code: 'line' | 'changed' | 'cut' | 'chain' | 'signature' | 'key'
  /** A sentence for people. */
  readonly message: string
  readonly stream?: string
  readonly epoch?: number
  /** The leaves concerned: from this index up to, and not including, `to`. */
  readonly from?: number
  readonly to?: number
}

/** One stream's log in an export. */
export interface VerifiedLog {
  readonly stream: string
  readonly epoch: number
  /** Leaves left out at the start. */
  readonly start: number
  readonly size: number
  readonly root: string
  /** How far checkpoints and receipts prove it; what follows is only known to be well formed. */
  readonly provenSize: number
}

/** What verifying an export found. */
export interface ExportReport {
  readonly ok: boolean
  readonly problems: readonly ExportProblem[]
  readonly logs: readonly VerifiedLog[]
  readonly records: number
  readonly checkpoints: number
  /** Whether signatures were checked with the verifier's own keys or with those of the export. */
  readonly keysFrom: 'verifier' | 'export'
}

/**
 * Verifies an export, line by line as parsed from NDJSON, without a database: every root that a checkpoint, a
 * receipt or the start of a later epoch proves must be the root over the exported records [AUD-3]. Keeps 32 bytes
 * per record. Never throws for what the export holds; the problems name where it goes wrong.
 */
export async function verifyExport(
  lines: AsyncIterable<unknown> | Iterable<unknown>,
  evidence: Evidence = {},
): Promise<ExportReport> {
  const verification = new Verification(evidence)
  for await (const line of lines) verification.read(line)
  return verification.finish()
}

class Verification {
  readonly #evidence: Evidence
  readonly #logs = new Map<string, ExportedLog>()
  readonly #problems: ExportProblem[] = []
  readonly #notes: string[] = []
  readonly #exportedKeys: string[] = []
  #lineNumber = 0
  #records = 0

  constructor(evidence: Evidence) {
    this.#evidence = evidence
  }

  read(parsed: unknown): void {
    this.#lineNumber++
    const line = readExportLine(parsed)
    switch (line?.type) {
      case 'record':
        this.#readRecord(line.stream, line.epoch, line.record)
        if (line.forkedFrom !== undefined) {
          const source = `the start of epoch ${line.epoch}`
          this.#log(line.stream, line.forkedFrom.epoch).addClaim({ ...line.forkedFrom, source })
        }
        break
      case 'log':
        if (!this.#log(line.stream, line.epoch).startAt(line.state)) this.#refuseLine('a log starts twice')
        break
      case 'checkpoint':
        this.#notes.push(line.note)
        break
      case 'key':
        this.#exportedKeys.push(line.key)
        break
      case undefined:
        this.#refuseLine('not a line of an export')
    }
  }

  finish(): ExportReport {
    const { keys, receipts = [], checkpoints: held = [] } = this.#evidence
    const verifiers = this.#readKeys(keys ?? this.#exportedKeys)
    if (verifiers.length === 0 && this.#notes.length + held.length > 0)
      this.#problems.push({ code: 'key', message: 'there is no key to check the checkpoints with' })
    const chain = new CheckpointChain()
    for (const note of this.#notes) this.#addClaims(chain.add(note, verifiers))
    for (const note of held) this.#addClaims(chain.compare(note, verifiers))
    this.#problems.push(...chain.findings)
    for (const receipt of receipts) this.#log(receipt.stream, receipt.epoch).addReceipt(receipt)
    const logs = [...this.#logs.values()].map((log) => this.#checkLog(log))
    return {
      ok: this.#problems.length === 0,
      problems: this.#problems,
      logs,
      records: this.#records,
      checkpoints: chain.count,
      keysFrom: keys === undefined ? 'export' : 'verifier',
    }
  }

  #readRecord(stream: string, epoch: number, record: object): void {
    try {
      this.#log(stream, epoch).addLeaf(recordLeaf(record))
      this.#records++
    } catch (error) {
      if (!isAgentfsError(error, 'invalid_request')) throw error
      this.#refuseLine(error.message)
    }
  }

  #checkLog(log: ExportedLog): VerifiedLog {
    const { stream, epoch, startSize, size } = log
    const { findings, root, provenSize } = log.check()
    for (const finding of findings) {
      const { code, from, to } = finding
      this.#problems.push({ code, message: describe(log, finding), stream, epoch, from, to })
    }
    return { stream, epoch, start: startSize, size, root, provenSize }
  }

  #addClaims(checkpoint: Checkpoint | undefined): void {
    for (const { stream, epoch, size, root } of checkpoint?.streams ?? [])
      this.#log(stream, epoch).addClaim({ size, root, source: `checkpoint ${checkpoint?.number}` })
  }

  #readKeys(keys: readonly string[]): NoteVerifier[] {
    return keys.flatMap((key) => {
      try {
        return [parseVerifierKey(key)]
      } catch (error) {
        if (!isAgentfsError(error, 'invalid_request')) throw error
        this.#problems.push({ code: 'key', message: error.message })
        return []
      }
    })
  }

  #log(stream: string, epoch: number): ExportedLog {
    const name = `${stream}/${epoch}`
    const log = this.#logs.get(name) ?? new ExportedLog(stream, epoch)
    this.#logs.set(name, log)
    return log
  }

  #refuseLine(why: string): void {
    this.#problems.push({ code: 'line', message: `line ${this.#lineNumber}: ${why}` })
  }
}

function describe({ stream, epoch, size }: ExportedLog, { code, from, to, source }: LogFinding): string {
  const name = `stream ${stream}, epoch ${epoch}`
  if (code === 'cut') return `${name}: ends after ${size} records, and ${source} proves ${to}`
  const which = to - from === 1 ? `record ${from} is` : `records ${from} to ${to - 1} are`
  return `${name}: ${which} not what ${source} proves: deleted, edited, inserted or moved`
}
