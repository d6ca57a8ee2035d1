import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parsePath } from '@agentfs/contracts'
import { storePath } from '@agentfs/sync'
import { z } from 'zod'
import { ControlServer } from '../control/server.js'
import { MountRegistry, type MountRecord } from '../control/registry.js'
import type { ControlAnswer, ControlRequest, MountStatus } from '../control/protocol.js'
import { UnpushedError, UsageError } from '../exit-codes.js'
import { makeFolders } from '../make-folders.js'
import { AgentIndex, lookUpAgent } from '../mount/agent-lookup.js'
import { prepareMountPoint } from '../mount/mount-point.js'
import { MountSession, type LeaveOutcome } from '../mount/mount-session.js'
import type { CommandContext } from './context.js'
import { canonicalMountPoint } from './mounts.js'

/** What `mount` and `run` know of a mount. */
export interface MountOptions {
  readonly daemon?: boolean
  readonly readOnly?: boolean
  readonly durability: string
  readonly owners: string
  readonly create: boolean
  /** Bytes of contents kept on this machine. */
  readonly cacheSize?: number
  readonly journalSize?: number
  /** A folder of the home. */
  readonly path?: string
}

/** A background mount waits most of the time: memory counts for more than the last per cent of speed (164 to 146 MiB with 10,000 files). */
const SMALL_PROCESS = ['--max-semi-space-size=2', '--optimize-for-size', '--v8-pool-size=1']

/** Milliseconds that a signal leaves for pushing: containers give ten seconds in all [DUR-8]. */
const SIGNAL_FLUSH_MS = 8_000

/** How long the service may take to say who the agent is: nobody waits more than ten seconds to hear that it is down. */
const LOOK_UP_MS = 9_000
/** The same where this machine knows the agent, and can mount it offline. */
const LOOK_UP_KNOWN_MS = 3_000

/** A mount with its control socket, ready for others to find. */
export interface RunningMount {
  readonly session: MountSession
  /** Leaves the mount; the same outcome however often it is asked for. */
  leave(flushTimeoutMs: number): Promise<LeaveOutcome>
  /** Resolves when the mount was left or ended by itself. */
  readonly over: Promise<LeaveOutcome>
  /** What its user should know of how it came about. */
  readonly remarks: readonly string[]
}

/** A mount in the background tells who started it that it answers. */
const mountedMessage = z.object({
  kind: z.literal('mounted'),
  feed: z.string(),
  remarks: z.array(z.string()),
})

/** Mounts an agent and makes the mount known to `status`, `sync` and `unmount`. */
export async function startMount(
  context: CommandContext,
  directory: string,
  options: MountOptions,
): Promise<RunningMount> {
  const { settings } = context
  assertOptions(options)
  context.agent()
  context.client()
  const target = canonicalMountPoint(directory)
  const registry = new MountRegistry(settings.environment.stateDirectory)
  const unprepare = await prepareMountPoint(target, registry.abandoned(target))
  try {
    return await mountOn(target, context, options)
  } catch (error) {
    await unprepare()
    throw error
  }
}

async function mountOn(
  target: string,
  context: CommandContext,
  options: MountOptions,
): Promise<RunningMount> {
  const { output, settings } = context
  const reference = context.agent()
  const index = new AgentIndex(settings.environment.stateDirectory, settings.url)
  const known = index.find(reference) !== undefined
  const client = context.client(known ? LOOK_UP_KNOWN_MS : LOOK_UP_MS)
  const remarks: string[] = []
  const remark = (text: string): void => {
    remarks.push(text)
    output.note(text)
  }
  // Where nobody answers, the journal takes what is written, and the service decides later.
  const asked = client.whoami().then(
    ({ scope }) => scope.role !== 'reader',
    () => true,
  )
  const agent = await lookUpAgent(client, reference, index, {
    create: options.create,
    onCreated: (it) => remark(`Made the agent ${it.name}.`),
  })
  const mayWrite = await asked
  if (!mayWrite) remark('This credential may only read: writing answers EACCES.')
  const session = await MountSession.start({
    directory: target,
    agent,
    url: settings.url,
    token: settings.token ?? '',
    storeFolder: storePath(dirname(settings.environment.stateDirectory), settings.url, agent.id),
    view: {
      readOnly: options.readOnly === true,
      mayWrite,
      waitForService: options.durability === 'server',
      owner:
        options.owners === 'stored' ? null : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    },
    path: parsePath(options.path ?? ''),
    ...(options.cacheSize === undefined ? {} : { cacheBytesMax: options.cacheSize }),
    ...(options.journalSize === undefined ? {} : { journalBytesMax: options.journalSize }),
    onProgress: (rows) => output.progress(`reading the tree: ${rows} names`),
    onState: (state) => output.progress(state.kind),
    onRejected: (items) => {
      for (const item of items) {
        output.note(`REFUSED ${item.path}: ${item.message} (kept in ${target}/.agentfs/rejected)`)
      }
    },
    onLog: (message) => output.note(message),
  })
  try {
    return { ...(await makeKnown(context, session)), remarks }
  } catch (error) {
    // A mount that nobody can ask for its status or end by name must not go on serving.
    await session.leave(0)
    throw error
  }
}

function assertOptions(options: MountOptions): void {
  if (options.durability !== 'journal' && options.durability !== 'server') {
    throw new UsageError('--durability takes journal or server')
  }
  if (options.owners !== 'me' && options.owners !== 'stored')
    throw new UsageError('--owners takes me or stored')
  if (options.owners === 'stored' && process.getuid?.() !== 0)
    throw new UsageError('--owners=stored needs root')
}

async function makeKnown(
  context: CommandContext,
  session: MountSession,
): Promise<Omit<RunningMount, 'remarks'>> {
  const registry = new MountRegistry(context.settings.environment.stateDirectory)
  const socket = registry.socketPath(process.pid)
  const over = Promise.withResolvers<LeaveOutcome>()
  const leave = async (flushTimeoutMs: number): Promise<LeaveOutcome> => {
    const outcome = await session.leave(flushTimeoutMs)
    over.resolve(outcome)
    return outcome
  }
  const control = await ControlServer.listen(socket, (request) => answer(session, request, leave))
  const forget = writeDown(registry, control, {
    pid: process.pid,
    dir: session.directory,
    agent: session.agent.name,
    url: context.settings.url,
    socket,
  })
  void session.ended.then(() => leave(SIGNAL_FLUSH_MS))
  void over.promise.then(() => {
    forget()
    void control.close()
  })
  return { session, leave, over: over.promise }
}

function writeDown(registry: MountRegistry, control: ControlServer, record: MountRecord): () => void {
  try {
    return registry.add(record)
  } catch (error) {
    // Listening would keep the process alive.
    void control.close()
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`the mount cannot be written down in ${dirname(record.socket)}: ${reason}`, {
      cause: error,
    })
  }
}

async function answer(
  session: MountSession,
  request: ControlRequest,
  leave: (flushTimeoutMs: number) => Promise<LeaveOutcome>,
): Promise<ControlAnswer> {
  switch (request.kind) {
    case 'status':
      return { kind: 'status', status: await statusOf(session) }
    case 'flush':
      return { kind: 'done', remaining: [...(await session.flush(request.until, request.timeoutMs))] }
    case 'unmount': {
      const { remaining } = await leave(request.force ? 0 : request.timeoutMs)
      return { kind: 'done', remaining: request.force ? [] : [...remaining] }
    }
  }
}

async function statusOf(session: MountSession): Promise<MountStatus> {
  const status = await session.status()
  return {
    dir: session.directory,
    agent: session.agent.name,
    pid: process.pid,
    feed: session.state.kind,
    seq: status.seq,
    journaled: status.journal.entries,
    acknowledged: status.seq,
    stored: status.stored,
    rejected: status.rejected,
    conflicts: status.conflicts,
  }
}

/** mount. */
export async function mount(
  context: CommandContext,
  directory: string,
  options: MountOptions,
): Promise<void> {
  if (options.daemon === true) {
    await mountInBackground(context, directory)
    return
  }
  const { output } = context
  const running = await startMount(context, directory, options)
  const { session } = running
  const feed = session.state.kind
  output.progressEnd()
  output.result(
    { dir: session.directory, agent: session.agent.name, pid: process.pid, feed },
    `mounted ${session.agent.name} on ${session.directory}${feedText(feed)}`,
  )
  output.note('Ctrl-C unmounts.')
  const message: z.infer<typeof mountedMessage> = {
    kind: 'mounted',
    feed,
    remarks: [...running.remarks],
  }
  // Who started it may be gone by now: nobody hears it then, and the mount goes on.
  process.send?.(message, () => undefined)
  leaveOnSignals(running)
  const { remaining } = await running.over
  if (remaining.length > 0) throw new UnpushedError(unpushedText(remaining))
}

function feedText(feed: string): string {
  return feed === 'connected' ? '' : ` (${feed}: reads what is cached, journals what is written)`
}

/** What stays in the journal, in words. */
export function unpushedText(remaining: readonly string[]): string {
  const shown = remaining.slice(0, 10).join(', ')
  const more = remaining.length > 10 ? ` and ${remaining.length - 10} more` : ''
  return `not pushed yet, safe in the journal until the next mount: ${shown}${more}`
}

/** SIGINT and SIGTERM leave the mount and push first; a second one leaves at once. */
function leaveOnSignals(running: RunningMount): void {
  let asked = false
  const onSignal = (): void => {
    void running.leave(asked ? 0 : SIGNAL_FLUSH_MS)
    asked = true
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)
}

/** Starts the same command in a process of its own and waits until its mount answers. */
async function mountInBackground(context: CommandContext, directory: string): Promise<void> {
  const { settings, output } = context
  const logs = join(settings.environment.stateDirectory, 'logs')
  makeFolders(logs, 0o700)
  const logPath = join(logs, 'mount.log')
  const log = openSync(logPath, 'a', 0o600)
  const args = process.argv.slice(2).filter((it) => it !== '--daemon')
  const main = process.argv[1]
  if (main === undefined) throw new Error('the path of the program is unknown')
  const child = spawn(process.execPath, [...process.execArgv, ...SMALL_PROCESS, main, ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    // The token travels in the environment, which only this user can read; arguments are everybody's.
    env: {
      // One heap for all threads: each would otherwise keep one of its own.
      MALLOC_ARENA_MAX: '1',
      ...settings.environment.variables,
      ...(settings.token === undefined ? {} : { AGENTFS_TOKEN: settings.token }),
    },
  })
  const from = statSync(logPath).size
  const mounted = once(child, 'message').then(([message]) => mountedMessage.parse(message))
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const outcome = await Promise.race([mounted, ended])
  if (outcome === null || typeof outcome === 'number') {
    process.stderr.write(readFileSync(logPath).subarray(from))
    process.exitCode = outcome ?? 1
    return
  }
  child.disconnect()
  child.unref()
  const { feed, remarks } = outcome
  for (const text of remarks) output.note(text)
  const dir = canonicalMountPoint(directory)
  output.result(
    { dir, agent: context.agent(), pid: child.pid, feed },
    `mounted ${context.agent()} on ${dir}${feedText(feed)}; \`agentfs-client unmount ${directory}\` ends it`,
  )
}
