import { type DynamicModule, Module } from '@nestjs/common'
import { JobRunner } from './job-runner.js'
import { openQueueBackend } from './queue/index.js'
import { WorkerMetrics } from './worker-metrics.js'
import { QUEUE_BACKEND, WORKER_OPTIONS, type WorkerOptions } from './worker-options.js'

/** The worker as a Nest module. */
@Module({})
export class WorkerModule {
  /** The module for these options. */
  static register(options: WorkerOptions): DynamicModule {
    return {
      module: WorkerModule,
      providers: [
        { provide: WORKER_OPTIONS, useValue: options },
        { provide: QUEUE_BACKEND, useFactory: () => openQueueBackend(options.queue) },
        { provide: WorkerMetrics, useFactory: () => options.metrics ?? new WorkerMetrics() },
        JobRunner,
      ],
    }
  }
}
