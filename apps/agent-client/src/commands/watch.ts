import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { AgentfsError, RETRIABLE, type CommitFrame, type NodeImage } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { backoffMs, Feed, pause } from '@agentfs/sync'
import { formatInstant } from '../terminal/format.js'
import type { CommandContext } from './context.js'

/** One change as `watch` prints it. */
interface WatchedChange {
  readonly seq: number
  readonly at: string
  readonly change: 'written' | 'deleted' | 'changed'
  readonly kind: NodeImage['kind']
  readonly path: string
  readonly node: string
  readonly by: string
}

/** The changes of a commit, without directories that only got a new time. */
async function changesOf(handle: AgentHandle, commit: CommitFrame): Promise<WatchedChange[]> {
  const { nodes, versions, entries } = commit.delta
  const written = new Set(versions.map((it) => it.node))
  const named = new Set(entries.map((it) => it.node))
  const shown = nodes.filter(
    (it) => it.deleted === true || written.has(it.id) || named.has(it.id) || it.kind !== 'directory',
  )
  return await Promise.all(
    shown.map(async (image) => ({
      seq: commit.seq,
      at: commit.at,
      change: image.deleted === true ? 'deleted' : written.has(image.id) ? 'written' : 'changed',
      kind: image.kind,
      path: await pathOf(handle, image, commit),
      node: image.id,
      by: image.modifiedBy,
    })),
  )
}

/** Where the node is now; of one that is gone meanwhile, the place it had, as far as that can be told. */
async function pathOf(handle: AgentHandle, image: NodeImage, commit: CommitFrame): Promise<string> {
  const now = image.deleted === true ? undefined : await livePath(handle, image.id)
  if (now !== undefined) return now
  const had = image.lastEntry ?? commit.delta.entries.find(({ node }) => node === image.id)
  if (had === undefined || had === null) return image.id
  const folder = await livePath(handle, had.parent)
  return folder === undefined || folder === '' ? had.name : `${folder}/${had.name}`
}

async function livePath(handle: AgentHandle, node: string): Promise<string | undefined> {
  return await handle.files.statNode(node).then(
    (stat) => stat.path,
    () => undefined,
  )
}

/** watch: changes as they happen. */
export async function watch(context: CommandContext, options: { exec?: string }): Promise<void> {
  const client = context.client()
  const agent = await client.getAgent(context.agent())
  const handle = client.agent(agent.id)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  let { seq } = agent
  let failures = 0
  context.output.note(`watching ${agent.name}; Ctrl-C ends it`)
  while (!stop.signal.aborted) {
    try {
      await follow(handle, seq, agent.epoch, stop.signal, async (commit) => {
        for (const change of await changesOf(handle, commit)) {
          const text = `${formatInstant(change.at)}  ${change.change.padEnd(7)}  ${change.path}`
          context.output.row(change, text)
          if (options.exec !== undefined) await execute(options.exec, change, context)
        }
        seq = commit.seq
        failures = 0
      })
    } catch (error) {
      if (error instanceof AgentfsError && !RETRIABLE.has(error.code)) throw error
      context.output.note('the feed broke off; trying again')
    }
    failures++
    await pause(backoffMs(failures, { firstMs: 100, mostMs: 5_000, random: Math.random }), stop.signal)
  }
}

/** Follows one feed to its end. */
async function follow(
  handle: AgentHandle,
  since: number,
  epoch: number,
  signal: AbortSignal,
  onCommit: (commit: CommitFrame) => Promise<void>,
): Promise<void> {
  const address = await handle.sync.feed(since, epoch)
  const end = Promise.withResolvers<void>()
  let pending = Promise.resolve()
  const feed = new Feed(address, {
    onFrame: (frame) => {
      if (frame.type === 'revoked')
        end.reject(new AgentfsError('key_revoked', { detail: 'the key was revoked' }))
      if (frame.type === 'commit') pending = pending.then(() => onCommit(frame.commit)).catch(end.reject)
    },
    onEnd: ({ error }) => (error === null ? end.resolve() : end.reject(error)),
  })
  signal.addEventListener('abort', () => end.resolve(), { once: true })
  try {
    await end.promise
  } finally {
    feed.close()
    await pending
  }
}

/** Runs a command for a change; what it is about stands in the environment, never in the command's text. */
async function execute(command: string, change: WatchedChange, context: CommandContext): Promise<void> {
  const child = spawn('sh', ['-c', command], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...context.settings.environment.variables,
      AGENTFS_CHANGE: change.change,
      AGENTFS_PATH: change.path,
      AGENTFS_NODE: change.node,
      AGENTFS_SEQ: String(change.seq),
    },
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) context.output.note(`the command ended with ${code ?? 'a signal'} for ${change.path}`)
}
