import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { cleanUpDeadMount, mountState, unmountFuse } from '@agentfs/fuse'
import { askMount } from '../control/client.js'
import type { ControlAnswer, MountStatus } from '../control/protocol.js'
import { MountRegistry, type MountRecord } from '../control/registry.js'
import { AgentfsError } from '@agentfs/contracts'
import { UnpushedError, UsageError } from '../exit-codes.js'
import { formatColumns } from '../terminal/format.js'
import type { CommandContext } from './context.js'

/** A mountpoint as the registry writes it: absolute, the parents' symlinks resolved; never touches the mount itself. */
export function canonicalMountPoint(directory: string): string {
  const absolute = resolve(directory)
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute))
  } catch {
    return absolute
  }
}

function requireMount(registry: MountRegistry, directory: string | undefined): MountRecord {
  if (directory !== undefined) {
    const record = registry.find(canonicalMountPoint(directory))
    if (record === undefined) throw notMounted(directory)
    return record
  }
  const all = registry.list()
  const [only] = all
  if (only === undefined) throw notMounted('anything')
  if (all.length > 1) {
    throw new UsageError(`several mounts run; name one: ${all.map((it) => it.dir).join(', ')}`)
  }
  return only
}

function notMounted(directory: string): AgentfsError {
  return new AgentfsError('not_found', {
    detail: `no mount of yours runs on ${directory}; \`agentfs-client status\` lists them`,
  })
}

async function statusOf(record: MountRecord): Promise<MountStatus> {
  const answer = await askMount(record.socket, { kind: 'status' })
  if (answer.kind === 'status') return answer.status
  throw new Error(answer.kind === 'failed' ? answer.message : 'the mount gave no status')
}

/** status. */
export async function status(context: CommandContext, directory: string | undefined): Promise<void> {
  const registry = new MountRegistry(context.settings.environment.stateDirectory)
  const records = directory === undefined ? registry.list() : [requireMount(registry, directory)]
  const mounts: MountStatus[] = []
  for (const record of records) mounts.push(await statusOf(record))
  const rows = mounts.map((it) => [
    it.dir,
    it.agent,
    it.feed,
    `${it.journaled} journaled`,
    `seq ${it.acknowledged}`,
    `stored ${it.stored}`,
    it.conflicts > 0 ? `${it.conflicts} conflict copies` : '',
    it.rejected > 0 ? `${it.rejected} REJECTED, see ${it.dir}/.agentfs/rejected` : '',
  ])
  if (mounts.length === 0)
    context.output.note('Nothing is mounted. `agentfs-client mount DIR` mounts an agent.')
  context.output.result({ mounts }, formatColumns(rows).join('\n'))
}

/** sync. */
export async function sync(
  context: CommandContext,
  directory: string | undefined,
  options: { until: string; timeout: number },
): Promise<void> {
  const until = options.until
  if (until !== 'acknowledged' && until !== 'stored') {
    throw new UsageError('--until takes acknowledged or stored')
  }
  const registry = new MountRegistry(context.settings.environment.stateDirectory)
  const record = requireMount(registry, directory)
  const timeoutMs = options.timeout * 1_000
  const answer = await askMount(record.socket, { kind: 'flush', until, timeoutMs }, timeoutMs + 5_000)
  assertNothingLeft(answer)
  context.output.result({ dir: record.dir, until }, '')
}

/** unmount. */
export async function unmount(
  context: CommandContext,
  directory: string,
  options: { force?: boolean; flushTimeout: number },
): Promise<void> {
  const registry = new MountRegistry(context.settings.environment.stateDirectory)
  const target = canonicalMountPoint(directory)
  const abandoned = registry.abandoned(target)
  const record = registry.find(target)
  if (record === undefined) {
    const state = await mountState(target)
    if (state.kind === 'none' || !state.mount.type.endsWith('.agentfs')) throw notMounted(directory)
    const cleaned = await cleanUpDeadMount(target, { subtype: 'agentfs', force: abandoned })
    if (!cleaned) await unmountFuse(target, { lazy: options.force === true })
    const what = cleaned
      ? `cleaned up ${target}, whose process was gone`
      : `unmounted ${target}; its process, which this user's state does not know, pushes what it has and ends`
    context.output.result({ dir: target, cleaned }, what)
    return
  }
  const timeoutMs = Math.round(options.flushTimeout * 1_000)
  const request = { kind: 'unmount', force: options.force === true, timeoutMs } as const
  const answer = await askMount(record.socket, request, timeoutMs + 15_000)
  assertNothingLeft(answer)
  context.output.result({ dir: record.dir }, '')
}

function assertNothingLeft(answer: ControlAnswer): void {
  if (answer.kind === 'failed') throw new Error(answer.message)
  if (answer.kind !== 'done' || answer.remaining.length === 0) return
  const shown = answer.remaining.slice(0, 10).join(', ')
  const more = answer.remaining.length > 10 ? ` and ${answer.remaining.length - 10} more` : ''
  throw new UnpushedError(`not pushed yet, safe in the journal until the next mount: ${shown}${more}`)
}
