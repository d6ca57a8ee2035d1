import { isAgentfsError } from '@agentfs/contracts'
import { type Checkpoint, checkpointHash, verifyCheckpoint } from './checkpoint.js'
import type { NoteVerifier } from './signed-note.js'

/** What is wrong with a checkpoint or with the chain of them. */
export interface ChainFinding {
  readonly code: 'signature' | 'chain'
  readonly message: string
}

/** The checkpoints of one tenant, each naming the hash of the one before. */
export class CheckpointChain {
  readonly findings: ChainFinding[] = []
  readonly #hashes = new Map<number, string>()
  #last: Checkpoint | undefined

  get count(): number {
    return this.#hashes.size
  }

  /** Adds the next exported checkpoint; returns it when its signature is right, whether or not it fits the chain. */
  add(note: string, verifiers: readonly NoteVerifier[]): Checkpoint | undefined {
    const checkpoint = this.#open(
      note,
      verifiers,
      `the checkpoint after ${this.#last?.number ?? 'the start'}`,
    )
    if (checkpoint === undefined) return undefined
    const last = this.#last
    if (last !== undefined) {
      if (checkpoint.number !== last.number + 1)
        this.#refuse(
          'chain',
          `checkpoint ${checkpoint.number} follows ${last.number}: some are missing or moved`,
        )
      else if (checkpoint.previous !== checkpointHash(last))
        this.#refuse('chain', `checkpoint ${checkpoint.number} does not continue checkpoint ${last.number}`)
      if (checkpoint.tenant !== last.tenant)
        this.#refuse('chain', `checkpoint ${checkpoint.number} is another tenant's`)
    }
    this.#hashes.set(checkpoint.number, checkpointHash(checkpoint))
    this.#last = checkpoint
    return checkpoint
  }

  /** Compares with a checkpoint that the verifier kept from before; returns it when its signature is right. */
  compare(heldNote: string, verifiers: readonly NoteVerifier[]): Checkpoint | undefined {
    const held = this.#open(heldNote, verifiers, 'a checkpoint held from before')
    if (held === undefined) return undefined
    const exported = this.#hashes.get(held.number)
    if (exported !== undefined && exported !== checkpointHash(held))
      this.#refuse('chain', `checkpoint ${held.number} is not the one held from before`)
    if (exported === undefined && held.number > (this.#last?.number ?? 0))
      this.#refuse('chain', `the checkpoints end before number ${held.number}, which is held from before`)
    return held
  }

  #open(note: string, verifiers: readonly NoteVerifier[], what: string): Checkpoint | undefined {
    try {
      return verifyCheckpoint(note, verifiers)
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt')) throw error
      this.#refuse('signature', `${what}: ${String(error.details['reason'])}`)
      return undefined
    }
  }

  #refuse(code: ChainFinding['code'], message: string): void {
    this.findings.push({ code, message })
  }
}
