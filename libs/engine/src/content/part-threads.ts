import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { AgentfsError } from '@agentfs/contracts'
import type { NumberedJob, PartAnswer, PartJob, PartResult } from './part-thread-messages.js'

/** One core is left to the event loop. */
const THREADS_MAX = Math.min(4, Math.max(1, availableParallelism() - 1))

/** The built file of the thread; sources run by a test loader use the build of the same package. */
function threadUrl(): URL {
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? '../../dist/content/part-thread.js' : './part-thread.js', here)
}

interface Waiting {
  readonly resolve: (result: PartResult) => void
  readonly reject: (error: Error) => void
}

/** A thread and what it was asked. */
class PartThread {
  readonly waiting = new Map<number, Waiting>()
  readonly #worker: Worker
  #gone = false

  constructor() {
    // The buffers of a thread are garbage as soon as they are answered: a small young generation gives them back soon.
    this.#worker = new Worker(threadUrl(), {
      name: 'parts',
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
    })
    this.#worker.unref()
    this.#worker.on('message', (answer: PartAnswer) => this.#onAnswer(answer))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(undefined))
  }

  get gone(): boolean {
    return this.#gone
  }

  ask(job: NumberedJob): Promise<PartResult> {
    const { promise, resolve, reject } = Promise.withResolvers<PartResult>()
    const given = job.kind === 'seal' ? job.plaintext : job.sealed
    // Throws where the buffer was given away before: then there is nothing to wait for.
    this.#worker.postMessage(job, [given.buffer])
    this.waiting.set(job.id, { resolve, reject })
    // Whoever waits for an answer keeps the process alive; an idle thread does not.
    this.#worker.ref()
    return promise
  }

  #onAnswer(answer: PartAnswer): void {
    const waiting = this.waiting.get(answer.id)
    this.waiting.delete(answer.id)
    if (this.waiting.size === 0) this.#worker.unref()
    if (waiting === undefined) return
    if ('result' in answer) waiting.resolve(answer.result)
    else if (answer.corrupt !== null) waiting.reject(new AgentfsError('object_corrupt', answer.corrupt))
    else waiting.reject(new Error(answer.message))
  }

  #end(cause: unknown): void {
    this.#gone = true
    for (const { reject } of this.waiting.values()) {
      reject(new AgentfsError('unavailable', { detail: 'a thread ended; try again' }, { cause }))
    }
    this.waiting.clear()
  }
}

/**
 * The process's threads for large parts: sealing or opening 1 MiB takes some 3 ms, and leaves garbage whose collection costs
 * the event loop far more than the work itself. Started when they are first needed.
 */
class PartThreads {
  #threads: PartThread[] = []
  #nextId = 1

  /** Has a thread do a job. The buffer in it is given away: nobody may use it afterwards. */
  run(job: PartJob): Promise<PartResult> {
    return this.#idlest().ask({ ...job, id: this.#nextId++ })
  }

  #idlest(): PartThread {
    this.#threads = this.#threads.filter(({ gone }) => !gone)
    const [idlest] = [...this.#threads].sort((one, other) => one.waiting.size - other.waiting.size)
    if (idlest !== undefined && (idlest.waiting.size === 0 || this.#threads.length >= THREADS_MAX))
      return idlest
    const thread = new PartThread()
    this.#threads.push(thread)
    return thread
  }
}

/** Shared by all engines of the process. */
export const partThreads = new PartThreads()
