import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createApi, InProcessBus, MetricsServer, RedisBus } from '@agentfs/api'
import {
  Checkpointer,
  createEngine,
  type EngineLog,
  Mirror,
  Packer,
  PromptPacker,
  storeWaiting,
  Sweeper,
} from '@agentfs/engine'
import { UsageStore } from '@agentfs/storage'
import { createWorker, openPackHints, type QueueConfig, StorageMetrics, WorkerMetrics } from '@agentfs/worker'
import type { Logger } from 'pino'
import type { ServerConfig } from '../config.js'
import type { Home } from '../home.js'
import { periodicChores } from '../maintenance/chores.js'
import { OperatorError } from '../operator-error.js'
import { openServiceSecrets } from '../secrets/service-secrets.js'
import { circuitMetrics } from './circuit-metrics.js'
import { dependencyMetrics } from './dependency-metrics.js'
import { metricsAddress } from './metrics-address.js'
import { openDatabase } from './open-database.js'
import { openMirrorTargets } from './open-mirror-targets.js'
import { openStorage, sharedResources } from './open-storage.js'
import { requireKnownBucket } from './require-known-bucket.js'
import { rollForwardIfRestored } from './roll-forward.js'
import type { ServiceRole } from './roles.js'
import type { Shutdown } from './shutdown.js'
import { signupPolicy } from './signup-policy.js'

/** How long a stop waits for what is to be stored; all of it is safe in the database meanwhile. */
const STORING_MS_MAX = 10_000

/** What a service is started with. */
export interface ServiceOptions {
  readonly config: ServerConfig
  readonly home: Home
  readonly role: ServiceRole
  readonly log: Logger
  readonly shutdown: Shutdown
  readonly progress: (message: string) => void
  readonly signal: AbortSignal
  /** A part died that the service cannot go on without. */
  readonly onFailure: (error: Error) => void
}

/** A started service. */
export interface StartedService {
  /** Where the API is reached; null in a worker. */
  readonly url: string | null
}

/** Starts everything in order, each part noted for the shutdown before the next is begun. */
export async function startService(options: ServiceOptions): Promise<StartedService> {
  const { config, home, role, log, shutdown, progress, signal } = options
  const { database, queueUrl } = await openDatabase(options)
  signal.throwIfAborted()
  const sweeper = new Sweeper({ database })
  const hasTenants = async (): Promise<boolean> => {
    for await (const _scope of sweeper.tenantsAcrossTenants()) return true
    return false
  }
  await requireKnownBucket(config, database, await hasTenants())
  const secrets = await openServiceSecrets(home, config.kms, await hasTenants())
  const objectStore = await openStorage(config.objectStore, secrets, log, shutdown)
  const resources = sharedResources(objectStore, secrets.kms)
  const { known, ahead } = await rollForwardIfRestored({ ...options, database, resources })
  signal.throwIfAborted()
  const mirrors = await openMirrorTargets(config.mirrorTargets, resources, shutdown)
  const mirrorTargets = mirrors.targets
  const queue: QueueConfig =
    config.redisUrl === undefined
      ? { kind: 'postgres', url: queueUrl }
      : { kind: 'redis', url: config.redisUrl }
  const engineLog = asEngineLog(log)
  const workerMetrics = new WorkerMetrics()
  const usage = new UsageStore(database)
  const storageMetrics = new StorageMetrics(() => usage.acrossTenants())
  const metrics = await metricsAddress(config, log)
  const packHint = openPackHints(queue, engineLog)
  shutdown.add('hints', () => packHint.close())
  const circuits = circuitMetrics(objectStore, mirrors.stores)
  const dependencies = dependencyMetrics({ objectStore, kms: secrets.kms }, database, sweeper, packHint)
  signal.throwIfAborted()

  const packer = new Packer({
    database,
    resources,
    isBucketAhead: (scope, stream) => ahead.isAhead(scope, stream, Infinity),
  })
  let mayPack = known === null
  void known?.then(() => (mayPack = true)).catch(() => undefined)
  if (role !== 'api') {
    shutdown.add('what waits to be stored', async () => {
      if (!mayPack) return
      const { stored, left } = await storeWaiting({ sweeper, packer }, AbortSignal.timeout(STORING_MS_MAX))
      log.info(
        { stored, left },
        left === 0 ? 'everything is stored' : 'the rest is stored after the next start',
      )
    })
    progress('starting the worker')
    const worker = createWorker({
      queue,
      packer,
      sweeper,
      checkpointer: new Checkpointer({ database, resources }),
      mirror: new Mirror({ database, resources, targets: mirrorTargets, log: engineLog }),
      chores: periodicChores({
        database,
        resources,
        mirrorTargets,
        log: engineLog,
        onDamaged: (objects) => workerMetrics.damaged(objects),
      }),
      log: engineLog,
      metrics: workerMetrics,
    })
    let stopped = false
    shutdown.add('worker', () => {
      stopped = true
      return worker.stop()
    })
    if (known === null) await worker.start()
    else void known.then(() => (stopped ? undefined : worker.start())).catch(options.onFailure)
  }
  if (role === 'worker') {
    if (metrics !== null) {
      const server = new MetricsServer([
        workerMetrics.registry,
        storageMetrics.registry,
        dependencies.registry,
        circuits.registry,
      ])
      shutdown.add('metrics', () => server.close())
      await server.listen(metrics.host, metrics.port)
    }
    return { url: null }
  }

  progress('starting the API')
  const promptPacker = new PromptPacker(packer, (outcome) => workerMetrics.packed(outcome))
  const bus = config.redisUrl === undefined ? new InProcessBus() : new RedisBus(config.redisUrl, log)
  shutdown.add('announcements', () => bus.close())
  const engine = createEngine({
    database,
    resources,
    pepper: secrets.pepper,
    announcer: bus,
    packHint,
    promptPacker: () => (mayPack ? promptPacker : undefined),
    mirrorTargets,
    log: engineLog,
    limits: config.limits,
    onClientAhead: (scope, agentId) =>
      void ahead
        .claimed(scope, agentId)
        .catch((error: unknown) => log.warn({ err: error }, 'what a client claims could not be looked at')),
  })
  shutdown.add('engine', () => engine.close())
  const api = await createApi({
    engine,
    bus,
    tokenKeys: secrets.tokenKeys,
    log,
    host: config.host,
    port: config.port,
    signup: signupPolicy(config, hasTenants),
    publicUrl: config.publicUrl ?? null,
    tls: config.tls === undefined ? null : await readTls(config.tls),
    trustProxy: config.trustProxy,
    metrics,
    moreMetrics: [workerMetrics.registry, storageMetrics.registry, dependencies.registry, circuits.registry],
    downloads: { directory: fromCheckout('dist-downloads') },
    dashboard: { directory: fromCheckout('apps/dashboard/dist') },
  })
  shutdown.add('API', () => api.close())
  signal.throwIfAborted()
  const { url } = await api.listen()
  return { url }
}

async function readTls(files: { cert: string; key: string }): Promise<{ cert: string; key: string }> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)])
  return { cert, key }
}

async function readPem(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperatorError(`cannot read ${path}`, {
      remedy: 'AGENTFS_TLS_CERT and AGENTFS_TLS_KEY name PEM files that the service may read.',
      cause,
    })
  })
}

function asEngineLog(log: Logger): EngineLog {
  return {
    warn: (message, facts) => log.warn(facts ?? {}, message),
    error: (message, facts) => log.error(facts ?? {}, message),
  }
}

function fromCheckout(path: string): string {
  return fileURLToPath(new URL(`../../../../${path}`, import.meta.url))
}
