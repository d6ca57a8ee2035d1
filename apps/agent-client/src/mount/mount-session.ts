import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { AgentfsError } from '@agentfs/contracts'
import {
  closeWakeHandle,
  createWakeHandle,
  mountFuse,
  Notifier,
  Waker,
  type FuseMount,
  type WakeHandle,
} from '@agentfs/fuse'
import {
  refusedError,
  RemoteStore,
  ROOT_INO,
  SyncEngine,
  type EngineState,
  type Invalidation,
  type RejectedItem,
  type StoreStatus,
} from '@agentfs/sync'
import type { KnownAgent } from './agent-lookup.js'
import type { MountView } from './core.js'
import { Subtree } from './subtree.js'
import type { FromThread, ThreadStart, ToThread } from './thread-messages.js'

/** What a mount is started with. */
export interface MountSessionOptions {
  readonly directory: string
  readonly agent: KnownAgent
  readonly url: string
  readonly token: string
  readonly storeFolder: string
  readonly view: MountView
  readonly ca?: string
  readonly contactMs?: number
  /** The folder of the home to mount; all of it where empty. */
  readonly path: readonly string[]
  /** Bytes of contents kept on this machine. */
  readonly cacheBytesMax?: number
  /** Bytes that may wait to be pushed. */
  readonly journalBytesMax?: number
  /** Rows of the tree that have arrived so far. */
  readonly onProgress: (rows: number) => void
  readonly onState: (state: EngineState) => void
  readonly onRejected: (items: readonly RejectedItem[]) => void
  readonly onLog: (message: string) => void
}

/** How long the service may be silent while a mount starts: where nothing is known yet, and where there is a copy to show. */
const CONTACT_MS = 10_000
const CONTACT_KNOWN_MS = 4_000
/** Memory for objects that live shortly, of the filesystem thread. */
const YOUNG_GENERATION_MB = 8

/** How long those who still have files open are served after a lazy unmount. */
const LINGER_MS = 1_000

/** How a mount was left: how many operations stay in the journal. */
export interface LeaveOutcome {
  readonly remaining: readonly string[]
}

/** A mount: filesystem thread, notifier thread, sync engine, and the kernel's connection, started and ended together. */
export class MountSession {
  readonly agent: KnownAgent
  readonly directory: string
  readonly #thread: Worker
  readonly #wakeHandle: WakeHandle
  readonly #waker: Waker
  readonly #store: RemoteStore
  readonly #engine: SyncEngine
  readonly #options: MountSessionOptions
  readonly #ended = Promise.withResolvers<string>()
  #mount: FuseMount | undefined
  #notifier: Notifier | undefined
  #serving = false
  #subtree = new Subtree(ROOT_INO)
  /** How serving ended; undefined while it goes on. */
  #endedHow: string | undefined
  #leaving: Promise<LeaveOutcome> | undefined
  readonly #hurried = Promise.withResolvers<void>()

  private constructor(options: MountSessionOptions) {
    this.#options = options
    this.agent = options.agent
    this.directory = options.directory
    const { port1, port2 } = new MessageChannel()
    this.#wakeHandle = createWakeHandle()
    this.#waker = new Waker(this.#wakeHandle)
    const start: ThreadStart = {
      storeFolder: options.storeFolder,
      agent: options.agent.id,
      agentName: options.agent.name,
      storePort: port2,
      wake: this.#wakeHandle,
      view: options.view,
      ...(options.cacheBytesMax === undefined ? {} : { cacheBytesMax: options.cacheBytesMax }),
      ...(options.journalBytesMax === undefined ? {} : { journalBytesMax: options.journalBytesMax }),
    }
    this.#thread = new Worker(new URL('./filesystem-thread.js', import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: 'filesystem',
      // Short-lived objects are few: a small nursery costs nothing measurable and saves tens of MiB for each mount.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    this.#store = new RemoteStore(port1, () => this.#look())
    this.#engine = new SyncEngine({
      store: this.#store,
      connection: { url: options.url, token: options.token, door: 'mount' },
      agent: options.agent.id,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      listener: {
        onInvalidate: (invalidations) => this.#invalidate(invalidations),
        onState: (state, healthy) => this.#onState(state, healthy),
        onProgress: options.onProgress,
        onRejected: options.onRejected,
      },
    })
  }

  /** Opens the store, brings it to the head where the service answers, mounts, and serves. */
  static async start(options: MountSessionOptions): Promise<MountSession> {
    const session = new MountSession(options)
    try {
      await session.#opened()
      await session.#contact()
      await session.#serve()
      return session
    } catch (error) {
      await session.#dismantle()
      throw error
    }
  }

  /** Resolves with the reason when the filesystem is no longer served. */
  get ended(): Promise<string> {
    return this.#ended.promise
  }

  get state(): EngineState {
    return this.#engine.state
  }

  status(): Promise<StoreStatus> {
    return this.#store.status()
  }

  /** Pushes what is journaled; answers what is left of it when the time is over. */
  async flush(until: 'acknowledged' | 'stored', timeoutMs: number): Promise<readonly string[]> {
    await this.#engine.flush(until, timeoutMs)
    return await this.#store.journaledPaths()
  }

  /**
   * Takes no more changes, pushes within the limit, unmounts [DUR-8]. Who asks while it is being left already shortens what is
   * left of that to a limit of his own, to nothing with 0.
   */
  leave(flushTimeoutMs: number): Promise<LeaveOutcome> {
    if (this.#leaving === undefined) this.#leaving = this.#leave(flushTimeoutMs)
    else globalThis.setTimeout(() => this.#hurried.resolve(), flushTimeoutMs).unref()
    return this.#leaving
  }

  async #leave(flushTimeoutMs: number): Promise<LeaveOutcome> {
    this.#tell({ kind: 'freeze' })
    const flushed = this.#engine.flush('acknowledged', flushTimeoutMs).catch(() => undefined)
    await Promise.race([flushed, this.#hurried.promise])
    const remaining = await this.#store.journaledPaths()
    await this.#dismantle()
    return { remaining }
  }

  async #opened(): Promise<void> {
    const [message] = (await once(this.#thread, 'message')) as [FromThread]
    if (message.kind === 'open-failed') {
      throw new Error(message.message)
    }
    this.#thread.on('message', (later: FromThread) => {
      if (later.kind === 'ended') this.#onEnded(later.how)
      else if (later.kind === 'look-after') this.#lookAfter(later.ms)
      else if (later.kind === 'log') this.#options.onLog(`${later.level}: ${later.message}`)
    })
    this.#thread.on('error', (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#options.onLog(`the filesystem thread failed: ${text}`)
      this.#ended.resolve('failed')
    })
  }

  #lookAfter(ms: number): void {
    const timer = globalThis.setTimeout(() => this.#tell({ kind: 'look-at-writers' }), ms)
    timer.unref()
  }

  /** Takes the mount away; one that somebody else has unmounted already is left alone. */
  async #unmount(mount: FuseMount): Promise<void> {
    if (this.#endedHow !== undefined) return
    await mount.unmount().catch(() => mount.unmount({ lazy: true }))
    // A lazy unmount leaves the session running for those who still have files open: after a moment they are cut off.
    const served = this.#ended.promise
    await Promise.race([served, setTimeout(LINGER_MS)])
    this.#tell({ kind: 'stop' })
    await served
  }

  /** The thread runs its event loop again: what the engine asks of the store reaches it by messages from here on. */
  #onEnded(how: string): void {
    this.#serving = false
    this.#endedHow = how
    this.#look()
    this.#ended.resolve(how)
  }

  async #contact(): Promise<void> {
    const known = (await this.#store.address()) !== null
    const state = await this.#engine.start(this.#options.contactMs ?? (known ? CONTACT_KNOWN_MS : CONTACT_MS))
    const refused = refusedError(state)
    if (refused !== undefined) throw refused
    if ((await this.#store.address()) === null) {
      throw new AgentfsError('unavailable', {
        detail: `no answer from ${this.#options.url}, and this machine has no copy of the agent's files yet; mount again when the service can be reached`,
        unreachable: true,
      })
    }
  }

  async #serve(): Promise<void> {
    const { readOnly, owner } = this.#options.view
    this.#subtree = new Subtree(await this.#rootIno())
    this.#mount = await mountFuse(this.directory, {
      fsname: `agentfs:${this.agent.name}`,
      subtype: 'agentfs',
      readOnly,
      allowOther: process.geteuid?.() === 0 && owner === null,
    })
    this.#notifier = new Notifier(this.#mount.fd)
    const notifier = this.#notifier.connect(this.#wakeHandle)
    const { rootIno } = this.#subtree
    this.#tell({ kind: 'serve', fd: this.#mount.fd, notifier, rootIno }, [notifier.port])
    this.#serving = true
    this.#tellHealth(this.#engine.state)
  }

  /** The inode that the mount shows as its root. */
  async #rootIno(): Promise<number> {
    const { path } = this.#options
    if (path.length === 0) return ROOT_INO
    const answer = Promise.withResolvers<number | null>()
    const listener = (message: FromThread): void => {
      if (message.kind === 'found') answer.resolve(message.ino)
    }
    this.#thread.on('message', listener)
    this.#tell({ kind: 'find', path })
    const ino = await answer.promise
    this.#thread.off('message', listener)
    if (ino !== null) return ino
    throw new AgentfsError('not_found', {
      detail: `there is no folder ${path.join('/')} in ${this.agent.name}`,
    })
  }

  /** Ends everything that was started, in the order that cannot hang: kernel, thread, notifier, engine. */
  async #dismantle(): Promise<void> {
    const mount = this.#mount
    if (mount !== undefined) {
      await this.#unmount(mount).catch((error: unknown) => {
        this.#options.onLog(`unmounting ${this.directory} failed: ${String(error)}`)
      })
    }
    await this.#engine.close()
    await this.#thread.terminate()
    this.#ended.resolve('left')
    await this.#notifier?.close()
    mount?.close()
    closeWakeHandle(this.#wakeHandle)
  }

  /** Has the thread look at its ports: by a message while its event loop runs, by the wake handle once it blocks. */
  #look(): void {
    if (this.#serving) this.#waker.wake()
    else this.#thread.postMessage({ kind: 'look' } satisfies ToThread)
  }

  #tell(message: ToThread, transfer: readonly MessagePort[] = []): void {
    this.#thread.postMessage(message, [...transfer])
    if (this.#serving) this.#waker.wake()
  }

  #tellHealth(state: EngineState): void {
    this.#tell({ kind: 'health', healthy: state.kind === 'connected', state })
  }

  #invalidate(invalidations: readonly Invalidation[]): void {
    this.#tell({ kind: 'invalidate', invalidations })
  }

  /** On an unhealthy feed, long lifetimes that were handed out are taken back at once [VIS-4]. */
  #onState(state: EngineState, healthy: boolean): void {
    this.#options.onState(state)
    this.#tellHealth(state)
    if (!healthy) this.#tell({ kind: 'forget-all' })
  }
}
