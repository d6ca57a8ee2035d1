import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { WorkerModule } from './worker.module.js'
import type { WorkerOptions } from './worker-options.js'

/** A worker within this process. */
export interface Worker {
  /** Begins to take jobs. */
  start(): Promise<void>
  /** Lets running jobs end, within limits, and lets go of the queue. May be called twice, and before `start`. */
  stop(): Promise<void>
}

/** Makes a worker: a Nest application without HTTP, which whoever composes the process starts and stops. */
export function createWorker(options: WorkerOptions): Worker {
  let starting: ReturnType<typeof NestFactory.createApplicationContext> | undefined
  let stopping: Promise<void> | undefined
  return {
    async start(): Promise<void> {
      // The composer catches signals and errors; Nest must neither log for itself nor end the process.
      starting ??= NestFactory.createApplicationContext(WorkerModule.register(options), {
        logger: false,
        abortOnError: false,
      })
      await starting
    },
    async stop(): Promise<void> {
      stopping ??= starting?.then((application) => application.close()) ?? Promise.resolve()
      await stopping
    },
  }
}
