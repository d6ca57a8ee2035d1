import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { FuseSession, NotificationBatch, NotifierClient, type FuseLogger } from '@agentfs/fuse'
import {
  LocalStore,
  packError,
  ROOT_INO,
  StoreServer,
  type EngineState,
  type Invalidation,
} from '@agentfs/sync'
import { MountCore } from './core.js'
import { mountHandlers } from './handlers.js'
import { sendInvalidations } from './invalidate.js'
import { Subtree } from './subtree.js'
import type { FromThread, ThreadStart, ToThread } from './thread-messages.js'

/**
 * The filesystem thread: owns the client store and answers the kernel. Until it is told to serve, it runs its event loop;
 * from then on it blocks on /dev/fuse and the wake handle, and looks at its ports whenever it is woken.
 */
function main(start: ThreadStart, port: NonNullable<typeof parentPort>): void {
  const tell = (message: FromThread): void => port.postMessage(message)
  let state: EngineState = { kind: 'starting' }
  let notifier: NotifierClient | undefined
  let session: FuseSession | undefined
  let subtree = new Subtree(ROOT_INO)
  let store: LocalStore
  try {
    store = LocalStore.open({
      path: start.storeFolder,
      agent: start.agent,
      agentName: start.agentName,
      ...(start.cacheBytesMax === undefined ? {} : { cacheBytesMax: start.cacheBytesMax }),
      ...(start.journalBytesMax === undefined ? {} : { journalBytesMax: start.journalBytesMax }),
    })
  } catch (error) {
    const { code, message } = packError(error)
    tell({ kind: 'open-failed', code, message })
    return
  }
  const server = new StoreServer(store, start.storePort)
  const view = { ...start.view }
  const core = new MountCore({
    store,
    view,
    notify: (invalidations) => invalidate(invalidations),
    describe: () => ({ feed: state.kind }),
    lookAfter: (ms) => tell({ kind: 'look-after', ms }),
  })
  const invalidate = (invalidations: readonly Invalidation[]): void => {
    if (session === undefined || notifier === undefined || invalidations.length === 0) return
    sendInvalidations(session, notifier, subtree.invalidations(invalidations))
  }
  /** Every name at once, and whatever is open; a kernel before 7.44 refuses the former, and lifetimes of a second do. */
  const forgetAll = (): void => {
    notifier?.send(new NotificationBatch().incrementEpoch(), () => undefined)
    invalidate(store.openInodes().map((ino) => ({ kind: 'content', ino }) as const))
  }
  const logger: FuseLogger = {
    warn: (details, message) => tell({ kind: 'log', level: 'warn', message: describe(message, details) }),
    error: (details, message) => tell({ kind: 'log', level: 'error', message: describe(message, details) }),
  }

  const onMessage = (message: ToThread): void => {
    switch (message.kind) {
      case 'look':
        server.drain()
        return
      case 'health':
        state = message.state
        core.lifetimes.setHealthy(message.healthy)
        core.backPressure.setOnline(message.healthy)
        return
      case 'look-at-writers':
        core.backPressure.look()
        return
      case 'invalidate':
        invalidate(message.invalidations)
        return
      case 'forget-all':
        forgetAll()
        return
      case 'freeze':
        core.freeze()
        return
      case 'stop':
        session?.stop()
        return
      case 'find':
        tell({ kind: 'found', ino: directoryOf(store, message.path) })
        return
      case 'serve':
        notifier = new NotifierClient(message.notifier)
        subtree = new Subtree(message.rootIno)
        serve(message.fd)
    }
  }

  const drain = (): void => {
    server.drain()
    notifier?.drain()
    for (
      let received = receiveMessageOnPort(port);
      received !== undefined;
      received = receiveMessageOnPort(port)
    ) {
      onMessage(received.message as ToThread)
    }
  }

  /** Blocks this thread until the filesystem is unmounted. */
  const serve = (fd: number): void => {
    session = new FuseSession({
      fd,
      handlers: subtree.translate(mountHandlers(core, subtree.rootIno)),
      logger,
      wake: start.wake,
      onWake: drain,
    })
    const how = session.run()
    notifier?.close()
    tell({ kind: 'ended', how })
    // From here on the event loop runs again: the engine may still settle a push.
  }

  port.on('message', onMessage)
  tell({ kind: 'opened' })
}

/** The inode of a directory by its path; null where there is none. */
function directoryOf(store: LocalStore, path: readonly string[]): number | null {
  const ino = store.resolvePath(path)
  return ino !== undefined && store.attributes(ino).kind === 'directory' ? ino : null
}

function describe(message: string, details: Record<string, unknown>): string {
  const { err, ...rest } = details
  const cause = err instanceof Error ? (err.stack ?? err.message) : ''
  return `${message} ${JSON.stringify(rest)} ${cause}`.trim()
}

if (parentPort !== null) main(workerData as ThreadStart, parentPort)
