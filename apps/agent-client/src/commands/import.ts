import { type Agent, parsePath } from '@agentfs/contracts'
import { readTree } from '@agentfs/sdk'
import { EXIT, UsageError } from '../exit-codes.js'
import { aboutAgent } from '../missing-agent.js'
import { formatBytes } from '../terminal/format.js'
import { type ImportPlan, type OnConflict, planImport } from '../transfer/import-plan.js'
import { Importer, type Imported } from '../transfer/import-run.js'
import type { ImportSource } from '../transfer/import-source.js'
import { openSource } from '../transfer/open-source.js'
import { mayPass, retrying } from '../transfer/retrying.js'
import { agentSource } from '../transfer/source-agent.js'
import { TransferProgress } from '../transfer/transfer-progress.js'
import { interruptible, UnfinishedError } from '../transfer/unfinished.js'
import { VersionContents } from '../transfer/version-contents.js'
import type { CommandContext } from './context.js'

interface ImportOptions {
  readonly to?: string
  readonly fromAgent?: string
  readonly versions?: 'all' | 'head'
  readonly overwrite?: boolean
  readonly skipExisting?: boolean
  readonly acceptChanges?: boolean
  readonly deleted?: boolean
  readonly dryRun?: boolean
  readonly resume?: boolean
}

const NAMED_MAX = 20

/** import. */
export async function importInto(
  context: CommandContext,
  given: string | undefined,
  options: ImportOptions,
): Promise<void> {
  const onConflict = conflictOf(options)
  const into = parsePath(options.to ?? '')
  await interruptible(async (signal) => {
    const about = await context.client().getAgent(context.agent())
    const source = await sourceOf(context, given, options, signal)
    try {
      await importFrom(context, source, { about, into, onConflict, options, signal })
    } finally {
      context.output.progressEnd()
      await source.close()
    }
  })
}

interface Task {
  readonly about: Agent
  readonly into: readonly string[]
  readonly onConflict: OnConflict
  readonly options: ImportOptions
  readonly signal: AbortSignal
}

async function importFrom(context: CommandContext, source: ImportSource, task: Task): Promise<void> {
  const { about, into, onConflict, options, signal } = task
  const agent = context.client().agent(about.id)
  const contents = new VersionContents(agent, signal)
  const tree = await retrying(signal, () => readTree(agent.sync, signal))
  const leftOut = options.deleted === true ? 0 : source.deleted.length
  const wanted = leftOut === 0 ? source : { ...source, deleted: [] }
  const plan = await planImport(wanted, into, onConflict, tree, { agent, contents, signal })
  if (leftOut > 0)
    context.output.note(`${leftOut} deleted files are left out; --deleted brings them, as deleted files`)
  for (const { path, reason } of source.troubles) context.output.note(`left out: ${path}: ${reason}`)
  if (plan.conflicts.length > 0) {
    refuse(context, plan)
    return
  }
  if (options.dryRun === true) {
    foretell(context, plan)
    return
  }
  const manner = {
    existingDirectories: options.overwrite === true || options.resume === true,
    acceptChanges: options.acceptChanges === true,
  }
  const progress = new TransferProgress(context.output, 'import', true)
  const importer = new Importer(agent, tree.epoch, manner, progress, signal)
  let done: Imported
  try {
    done = await importer.run(plan)
  } catch (error) {
    context.output.progressEnd()
    const cause = signal.aborted ? (signal.reason as unknown) : error
    if (!(cause instanceof UnfinishedError) && !mayPass(cause)) throw cause
    const { files, versions } = importer.done
    throw new UnfinishedError(
      `${(cause as Error).message}; ${files} files (${versions} versions) are there: type the same again with --resume to go on`,
      { cause },
    )
  }
  tell(context, source, plan, done, about)
}

async function sourceOf(
  context: CommandContext,
  given: string | undefined,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ImportSource> {
  const named = agentOf(given, options.fromAgent)
  if (named === undefined) return openSource(given ?? '', options.versions ?? 'all')
  const about = await aboutAgent(named.agent, context.client().getAgent(named.agent))
  return agentSource(
    context.client().agent(about.id),
    about,
    named.path,
    options.versions ?? 'head',
    options.deleted ?? false,
    signal,
  )
}

function agentOf(
  given: string | undefined,
  fromAgent: string | undefined,
): { agent: string; path: string } | undefined {
  if (fromAgent !== undefined) return { agent: fromAgent, path: given ?? '' }
  if (given === undefined)
    throw new UsageError('say what to import: a folder, a .tar or .jsonl file, - or agent:NAME')
  const match = /^agent:([^/]+)(?:\/(.*))?$/.exec(given)
  return match?.[1] === undefined ? undefined : { agent: match[1], path: match[2] ?? '' }
}

function conflictOf({ overwrite, skipExisting }: ImportOptions): OnConflict {
  if (overwrite === true && skipExisting === true)
    throw new UsageError('give either --overwrite or --skip-existing')
  return overwrite === true ? 'overwrite' : skipExisting === true ? 'skip' : 'refuse'
}

function refuse(context: CommandContext, { conflicts }: ImportPlan): void {
  for (const conflict of conflicts.slice(0, NAMED_MAX)) {
    if (context.output.json) context.output.row({ event: 'conflict', ...conflict }, '')
    context.output.note(`${conflict.path} ${conflict.reason}`)
  }
  if (conflicts.length > NAMED_MAX) context.output.note(`and ${conflicts.length - NAMED_MAX} more`)
  process.stderr.write(
    `agentfs-client: ${conflicts.length} names are taken; nothing was imported. Give --overwrite (old versions stay restorable), --skip-existing, or --to another folder [already_exists]\n`,
  )
  process.exitCode = EXIT.conflict
}

function foretell({ output }: CommandContext, plan: ImportPlan): void {
  for (const { path, source, standing, from } of plan.nodes) {
    const versions = source.versions.length - from
    if (standing !== undefined && (source.kind !== 'file' || versions === 0)) continue
    const what = standing === undefined ? 'create' : 'write'
    const shown =
      source.kind === 'directory' ? `${path}/` : source.deleted === true ? `${path}, deleted` : path
    output.row(
      { event: 'would', what, kind: source.kind, path, versions },
      `${what} ${shown}${versions > 1 ? ` (${versions} versions)` : ''}`,
    )
  }
  output.note(
    `${plan.same} are there already, ${plan.skipped.length} skipped; nothing was written (--dry-run)`,
  )
}

function tell(
  context: CommandContext,
  source: ImportSource,
  plan: ImportPlan,
  done: Imported,
  about: Agent,
): void {
  const { output } = context
  const { files, deleted, versions, bytes, failed, beside } = done
  for (const { path, reason } of failed.slice(0, NAMED_MAX)) output.note(`not imported: ${path}: ${reason}`)
  if (failed.length > NAMED_MAX) output.note(`and ${failed.length - NAMED_MAX} more; --json names all`)
  for (const { path, reason } of beside) output.note(`${path}: ${reason}`)
  const { troubles } = source
  const result = {
    event: 'done',
    agent: about.name,
    ...done,
    same: plan.same,
    skipped: plan.skipped,
    troubles,
  }
  const there = plan.same === 0 ? '' : `, ${plan.same} were there already`
  const passed = plan.skipped.length === 0 ? '' : `, ${plan.skipped.length} skipped`
  const gone = deleted === 0 ? '' : `, ${deleted} deleted files`
  const text = `${files} files${gone}, ${versions} versions, ${formatBytes(bytes)} from ${source.name} to ${about.name}${there}${passed}`
  output.result(result, output.quiet ? '' : text)
  if (failed.some(({ code }) => code === 'quota_exceeded' || code === 'too_large'))
    process.exitCode = EXIT.quota
  else if (
    beside.length > 0 ||
    failed.some(({ code }) => code === 'already_exists' || code === 'version_conflict')
  ) {
    process.exitCode = EXIT.conflict
  } else if (failed.length > 0 || troubles.length > 0) process.exitCode = EXIT.failed
}
