import { existsSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { EXIT, UsageError } from '../exit-codes.js'
import { makeFolders, removeFolders } from '../make-folders.js'
import { formatBytes } from '../terminal/format.js'
import { type ExportChoice, planExport } from '../transfer/export-plan.js'
import { type Exported, runExport } from '../transfer/export-run.js'
import { loadManifest, saveManifest } from '../transfer/export-state.js'
import type { ExportTarget } from '../transfer/export-target.js'
import { FolderTarget, STATE_FOLDER } from '../transfer/export-to-folder.js'
import { JsonlTarget, manifestBeside } from '../transfer/export-to-jsonl.js'
import { TarTarget } from '../transfer/export-to-tar.js'
import { type Manifest, MANIFEST_NAME } from '../transfer/manifest.js'
import { mayPass } from '../transfer/retrying.js'
import { TransferProgress } from '../transfer/transfer-progress.js'
import { interruptible, UnfinishedError } from '../transfer/unfinished.js'
import { VersionContents } from '../transfer/version-contents.js'
import type { CommandContext } from './context.js'

type Format = 'folder' | 'tar' | 'jsonl'

interface ExportOptions {
  readonly to: string
  readonly format?: Format
  readonly versions: 'all' | 'head'
  readonly plain?: boolean
  readonly deleted?: boolean
  readonly resume?: boolean
}

/** Where an export keeps its plan while it is under way, and what it makes. */
interface Places {
  readonly final: string
  readonly plan: string
  /** The file that is the target once it is whole; none for a folder. */
  readonly partial: string | undefined
}

/** export. */
export async function exportHome(
  context: CommandContext,
  path: string | undefined,
  options: ExportOptions,
): Promise<void> {
  const format = options.format ?? formatOf(options.to)
  if (options.to === '-') await exportToStdout(context, path ?? '', format, options)
  else await exportToDisk(context, path ?? '', format, options)
}

async function exportToStdout(
  context: CommandContext,
  path: string,
  format: Format,
  options: ExportOptions,
): Promise<void> {
  if (format === 'folder')
    throw new UsageError('a folder cannot go to standard output; say --format tar or jsonl')
  if (options.resume === true) throw new UsageError('what went to standard output cannot be resumed')
  if (process.stdout.isTTY) throw new UsageError('this would fill the terminal; send it to a file or a pipe')
  const agent = context.client().agent(context.agent())
  const form = options.plain === true ? 'plain' : 'markdown'
  const done = await interruptible(async (signal) => {
    const about = await context.client().getAgent(context.agent())
    const plan = await planExport(agent, about, choiceOf(path, options), signal)
    const target =
      format === 'tar'
        ? TarTarget.toStream(form, process.stdout)
        : JsonlTarget.toStream(about.name, process.stdout)
    return run(context, plan, target, signal, false)
  })
  tell(context, done, 'standard output', false)
}

async function exportToDisk(
  context: CommandContext,
  path: string,
  format: Format,
  options: ExportOptions,
): Promise<void> {
  const places = placesOf(resolve(options.to), format)
  const resumes = await prepare(places, format, options.resume === true)
  const agent = context.client().agent(context.agent())
  const form = options.plain === true ? 'plain' : 'markdown'
  const done = await interruptible(async (signal) => {
    const about = await context.client().getAgent(context.agent())
    let plan: Manifest
    if (resumes) {
      plan = await loadManifest(places.plan)
      assertSame(plan, about.id, choiceOf(path, options))
      context.output.note(`going on with the export as of ${plan.header.exportedAt}, seq ${plan.header.seq}`)
    } else {
      // First: to read a large home takes long, and is in vain where its export cannot be kept.
      const made = places.partial === undefined ? makeFolders(places.final) : []
      try {
        plan = await planExport(agent, about, choiceOf(path, options), signal)
      } catch (error) {
        removeFolders(made)
        throw error
      }
      makeFolders(dirname(places.plan))
      await saveManifest(plan, places.plan)
    }
    try {
      const target =
        places.partial === undefined
          ? await FolderTarget.open(places.final, form)
          : format === 'tar'
            ? await TarTarget.toFile(form, places.final, places.partial, plan)
            : await JsonlTarget.toFile(about.name, places.final, places.partial)
      const exported = await run(context, plan, target, signal, true)
      await rm(places.plan, { force: true })
      return exported
    } catch (error) {
      throw unfinished(error, options.to)
    }
  })
  tell(context, done, options.to, true)
}

async function run(
  context: CommandContext,
  plan: Manifest,
  target: ExportTarget,
  signal: AbortSignal,
  events: boolean,
): Promise<Exported> {
  const contents = new VersionContents(context.client().agent(plan.header.agent.id), signal)
  const progress = new TransferProgress(context.output, 'export', events)
  try {
    return await runExport(plan, target, contents, progress, signal)
  } catch (error) {
    await target.leave()
    throw signal.aborted ? signal.reason : error
  } finally {
    context.output.progressEnd()
  }
}

function tell(context: CommandContext, done: Exported, to: string, onStdout: boolean): void {
  const { missing } = done
  for (const { path, number, reason } of missing)
    context.output.note(`not exported: ${path} v${number}: ${reason}`)
  const gone = done.deleted === 0 ? '' : `, ${done.deleted} deleted files`
  const text = `${done.files} files${gone}, ${done.versions} versions, ${formatBytes(done.bytes)} to ${to}`
  if (onStdout) context.output.result({ event: 'done', to, ...done }, context.output.quiet ? '' : text)
  else context.output.note(text)
  if (missing.length > 0) process.exitCode = EXIT.failed
}

function choiceOf(path: string, { versions, plain = false, deleted = false }: ExportOptions): ExportChoice {
  return { path, versions, form: plain ? 'plain' : 'markdown', deleted }
}

function formatOf(to: string): Format {
  if (/\.tar$/i.test(to)) return 'tar'
  if (/\.(jsonl|ndjson)$/i.test(to)) return 'jsonl'
  const archive = /\.(zip|7z|rar|t?gz|t?bz2?|t?xz|t?zst)$/i.exec(to)
  if (archive !== null) {
    throw new UsageError(
      `an export is no ${archive[0]}: name a .tar file, a .jsonl file or a folder (or say --format folder to give a folder this name)`,
    )
  }
  return 'folder'
}

function placesOf(final: string, format: Format): Places {
  if (format === 'folder')
    return { final, plan: join(final, STATE_FOLDER, 'plan.ndjson'), partial: undefined }
  return { final, plan: `${final}.export-plan`, partial: `${final}.partial` }
}

/** Refuses a target that holds something else; true where an earlier run is to be gone on with. */
async function prepare({ final, plan, partial }: Places, format: Format, resume: boolean): Promise<boolean> {
  const started = existsSync(plan)
  const again = 'finish the export with --resume, or name another target'
  if (format === 'folder') {
    const standing = await stat(final).catch(() => undefined)
    if (standing !== undefined && !standing.isDirectory()) throw new UsageError(`${final} is a file`)
    if (standing === undefined || (await readdir(final)).length === 0) return false
    if (started && !resume) throw new UsageError(`an export to ${final} was started before: ${again}`)
    if (started) return true
    // Stopped before the plan was whole: there is nothing yet that could be lost.
    const names = await readdir(final)
    if (resume && names.includes(MANIFEST_NAME)) throw wholeAlready(final)
    if (resume && names.every((name) => name === STATE_FOLDER)) return false
    throw new UsageError(`${final} is not empty; name an empty or a new folder`)
  }
  if (resume && !started && existsSync(final)) throw wholeAlready(final)
  if (existsSync(final)) throw new UsageError(`${final} exists; remove it, or name another target`)
  if (!existsSync(dirname(final)))
    throw new UsageError(`there is no folder ${dirname(final)} on this machine`)
  if (started && !resume) throw new UsageError(`an export to ${final} was started before: ${again}`)
  if (!started && partial !== undefined) await rm(partial, { force: true })
  if (!started && format === 'jsonl' && existsSync(manifestBeside(final))) {
    throw new UsageError(`${manifestBeside(final)} exists; remove it, or name another target`)
  }
  return started
}

function wholeAlready(final: string): UsageError {
  return new UsageError(`the export at ${final} is whole; there is nothing to resume`)
}

function assertSame({ header }: Manifest, agent: string, wanted: ExportChoice): void {
  const path = wanted.path.replace(/^\/|\/$/g, '')
  const differs =
    header.agent.id !== agent ||
    header.path !== path ||
    header.form !== wanted.form ||
    header.versions !== wanted.versions ||
    (header.deleted ?? false) !== wanted.deleted
  if (!differs) return
  throw new UsageError(
    `the export that was started is of ${header.agent.name}${header.path === '' ? '' : `, ${header.path}`}, ` +
      `--versions ${header.versions}${header.form === 'plain' ? ' --plain' : ''}${header.deleted === true ? ' --deleted' : ''}: resume it with the same options`,
  )
}

function unfinished(error: unknown, to: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)
  if (!(error instanceof UnfinishedError) && !mayPass(error) && !full) return error
  const why = full ? `no room for more at ${to}: make some` : (error as Error).message
  return new UnfinishedError(
    `${why}; what is exported stays at ${to}: type the same again with --resume to go on`,
    {
      cause: error,
    },
  )
}
