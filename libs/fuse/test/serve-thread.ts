import {
  FuseSession,
  NotificationBatch,
  NotifierClient,
  type FuseHandlers,
  type FuseReply,
  type WriteRequest,
} from '@agentfs/fuse'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { ReferenceFilesystem, refusalCode } from './reference-filesystem.js'
import type { ServeAnswer, ServeCommand, ServeThreadData } from './serve-messages.js'

// Serves the reference filesystem from a thread of its own, as users of the library do.

const { fd, options, wake, port, connection } = workerData as ServeThreadData
const filesystem = new ReferenceFilesystem(options)
const notifier = new NotifierClient(connection)
const counts: Record<string, number> = {}
const held = new Map<string, (() => void)[]>()
const uninterruptible = new Set<string>()
const failing = new Set<string>()
const writeSizes: number[] = []
const logged: string[] = []

type AnyHandler = (request: unknown, reply?: FuseReply) => void

/** The filesystem's methods with counting, delays and faults around them. */
function instrumented(): FuseHandlers {
  const wrapped: Record<string, AnyHandler> = {}
  for (const name of Object.getOwnPropertyNames(ReferenceFilesystem.prototype)) {
    const method: unknown = Reflect.get(filesystem, name)
    if (typeof method !== 'function' || name === 'constructor' || name === 'at') continue
    if (options.without.some((operation) => operation === name)) continue
    wrapped[name] = (request, reply) => {
      counts[name] = (counts[name] ?? 0) + 1
      if (failing.has(name)) throw new Error(`${name} was told to fail`)
      if (name === 'write') writeSizes.push((request as WriteRequest).data.length)
      const waiting = held.get(name)
      if (waiting === undefined || reply === undefined) {
        Reflect.apply(method, filesystem, [request, reply])
        return
      }
      if (uninterruptible.has(name))
        reply.onInterrupt(() => (counts['interrupted'] = (counts['interrupted'] ?? 0) + 1))
      waiting.push(() => void Reflect.apply(method, filesystem, [request, reply]))
    }
  }
  return wrapped
}

function obey(command: ServeCommand, done: (refused?: ServeAnswer['refused']) => void): void {
  const batch = new NotificationBatch()
  switch (command.kind) {
    case 'write': {
      const node = filesystem.at(command.path)
      node.resize(0)
      node.write(0, Buffer.from(command.data))
      break
    }
    case 'swap': {
      const { entries } = filesystem.root
      const [first, second] = command.names.map((name) => filesystem.at(name))
      if (first !== undefined) entries.set(command.names[1], first)
      if (second !== undefined) entries.set(command.names[0], second)
      break
    }
    case 'inval-inode':
      batch.invalInode(filesystem.at(command.path).ino, command.offset, command.length)
      break
    case 'inval-entry':
      batch.invalEntry(1, Buffer.from(command.name, 'latin1'), { expireOnly: command.expireOnly })
      break
    case 'delete':
      batch.delete(1, filesystem.at(command.name).ino, Buffer.from(command.name))
      break
    case 'store':
      batch.store(filesystem.at(command.path).ino, command.offset, Buffer.from(command.data))
      break
    case 'inc-epoch':
      batch.incrementEpoch()
      break
    case 'hold-uninterruptible':
      uninterruptible.add(command.operation)
      held.set(command.operation, [])
      break
    case 'hold':
      held.set(command.operation, [])
      break
    case 'release': {
      const waiting = held.get(command.operation) ?? []
      held.delete(command.operation)
      uninterruptible.delete(command.operation)
      for (const proceed of waiting) proceed()
      break
    }
    case 'fail':
      failing.add(command.operation)
      break
    case 'stop':
      session.stop()
      break
    case 'counts':
      break
  }
  if (batch.count === 0) done()
  else notifier.send(batch, (refused) => done([...refused]))
}

const session = new FuseSession({
  fd,
  wake,
  handlers: instrumented(),
  errnoOf: refusalCode,
  logger: {
    error: (details, message) => logged.push(`${message}: ${String(details['err'] ?? details['code'])}`),
    warn: (_details, message) => logged.push(message),
  },
  ...(options.spinUs === undefined ? {} : { spinUs: options.spinUs }),
  onWake: () => {
    notifier.drain()
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      const { id, command } = next.message as { id: number; command: ServeCommand }
      obey(command, (refused = []) => port.postMessage(answer(id, refused)))
    }
  },
})

function answer(id: number, refused: ServeAnswer['refused']): ServeAnswer {
  return { id, refused, counts, held: session.outstanding, writeSizes, logged }
}

const end = session.run()
port.postMessage({ ...answer(-1, []), end } satisfies ServeAnswer)
notifier.close()
port.close()
