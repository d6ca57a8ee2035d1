import { createReadStream } from 'node:fs'
import { stat as statFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AgentfsError, type DeletedFile, type Stat, TREE_DEPTH_MAX } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { type Command, Option } from 'commander'
import { UsageError } from '../exit-codes.js'
import { ask, readStdin } from '../terminal/ask.js'
import { formatBytes, formatColumns, formatInstant } from '../terminal/format.js'
import { UploadState } from '../transfer/upload-state.js'
import { action, type CommandContext } from './context.js'
import { deletedBelow } from './deleted-files.js'
import { whatFollows } from './erasure-words.js'

function listingRow(entry: Stat, long: boolean): string[] {
  const shown = entry.kind === 'directory' ? `${entry.path}/` : entry.path
  if (!long) return [shown]
  const link = entry.kind === 'symlink' ? ` -> ${entry.target ?? ''}` : ''
  return [
    entry.kind === 'directory' ? 'dir' : formatBytes(entry.size),
    entry.number === 0 ? '' : `v${entry.number}`,
    formatInstant(entry.modifiedAt),
    entry.modifiedBy,
    entry.kind === 'file' ? entry.state : '',
    `${shown}${link}`,
  ]
}

/** What stands in a directory, or the file itself, as ls has it. */
async function* listed(
  files: AgentHandle['files'],
  path: string,
  options: { recursive?: boolean; glob?: string },
): AsyncGenerator<Stat> {
  const walk = files.walk(path, {
    ...(options.recursive === true ? { depth: TREE_DEPTH_MAX } : {}),
    ...(options.glob === undefined ? {} : { glob: options.glob }),
  })
  try {
    yield* walk
  } catch (error) {
    if (!(error instanceof AgentfsError) || error.code !== 'not_a_directory') throw error
    yield await files.stat(path)
  }
}

const BAR_WIDTH = 24

async function ls(
  context: CommandContext,
  path: string | undefined,
  options: { long?: boolean; recursive?: boolean; glob?: string; deleted?: boolean },
): Promise<void> {
  const files = context.client().agent(context.agent()).files
  if (options.deleted === true) {
    showDeleted(context, await deletedBelow(files, path ?? ''))
    return
  }
  const rows: string[][] = []
  for await (const entry of listed(files, path ?? '', options)) {
    if (context.output.json) context.output.row(entry, '')
    else rows.push(listingRow(entry, options.long === true))
  }
  if (!context.output.json && rows.length === 0) context.output.note('(empty)')
  for (const line of formatColumns(rows)) context.output.row(null, line)
}

function showDeleted({ output }: CommandContext, found: readonly DeletedFile[]): void {
  if (output.json) {
    for (const file of found) output.row(file, '')
    return
  }
  if (found.length === 0) output.note('(no deleted files that can be restored)')
  const rows = found.map((file) => [formatInstant(file.deletedAt), file.path])
  for (const line of formatColumns(rows)) output.row(null, line)
}

async function cat(
  context: CommandContext,
  paths: string[],
  options: { fileVersion?: string; at?: string },
): Promise<void> {
  const files = context.client().agent(context.agent()).files
  for (const path of paths) {
    const response = await files.open(path, {
      ...(options.fileVersion === undefined ? {} : { version: options.fileVersion }),
      ...(options.at === undefined ? {} : { at: options.at }),
    })
    // A web stream is iterable, so it needs no cast between the two stream types.
    if (response.body !== null) await pipeline(Readable.from(response.body), process.stdout, { end: false })
  }
}

async function put(
  context: CommandContext,
  source: string,
  target: string | undefined,
  options: { parents?: boolean; ifMatch?: string; createOnly?: boolean },
): Promise<void> {
  if (source === '-' && target === undefined)
    throw new UsageError('say where standard input goes: put - PATH')
  const path =
    target === undefined ? basename(source) : target.endsWith('/') ? `${target}${basename(source)}` : target
  const size = source === '-' ? null : await localSize(source)
  const { settings, output } = context
  const agent = context.agent()
  const resume =
    size === null
      ? undefined
      : await UploadState.of(settings.environment.stateDirectory, { url: settings.url, agent, path }, source)
  const answer = await context
    .client()
    .agent(agent)
    .files.upload(path, source === '-' ? process.stdin : createReadStream(source), {
      parents: options.parents === true,
      createOnly: options.createOnly === true,
      ...(options.ifMatch === undefined ? {} : { ifMatch: options.ifMatch }),
      ...(resume === undefined ? {} : { resume }),
      onResume: ({ bytes }) =>
        output.note(`${path}: resuming at ${formatBytes(bytes)} of ${formatBytes(size ?? bytes)}`),
      onProgress: ({ bytes }) => output.transferred(progressLine(path, bytes, size)),
    })
  context.output.progressEnd()
  context.output.result(
    answer,
    `${answer.path} v${answer.number}${answer.receipt === null ? ' (unchanged)' : ''}`,
  )
}

async function localSize(source: string): Promise<number> {
  const found = await statFile(source).catch((error: unknown) => {
    throw new AgentfsError('not_found', { detail: `cannot read ${source}: ${(error as Error).message}` })
  })
  if (found.isDirectory())
    throw new UsageError(`${source} is a folder: \`agentfs-client import\` takes folders`)
  return found.size
}

function progressLine(path: string, bytes: number, bytesOf: number | null): string {
  if (bytesOf === null || bytesOf === 0) return `${path} ${formatBytes(bytes)}`
  const done = Math.floor((BAR_WIDTH * bytes) / bytesOf)
  const bar = `${'='.repeat(done)}${' '.repeat(Math.max(0, BAR_WIDTH - done))}`
  return `${path} [${bar}] ${Math.floor((100 * bytes) / bytesOf)} % of ${formatBytes(bytesOf)}`
}

async function append(context: CommandContext, path: string, text: string | undefined): Promise<void> {
  const bytes = text === undefined ? new Uint8Array(await readStdin()) : new TextEncoder().encode(`${text}\n`)
  const answer = await context.client().agent(context.agent()).files.append(path, bytes)
  context.output.result(answer, `${answer.path} v${answer.number}, ${bytes.length} bytes at ${answer.offset}`)
}

async function rm(
  context: CommandContext,
  paths: string[],
  options: { recursive?: boolean; force?: boolean; erase?: boolean; yes?: boolean },
): Promise<void> {
  const files = context.client().agent(context.agent()).files
  const erase = options.erase === true
  if (erase && options.yes !== true) {
    const what = `${paths.join(', ')} with every version`
    const answer = await ask(`Erase ${what}, for good? Type yes`, { instead: `--yes to erase ${what}` })
    if (answer !== 'yes') throw new UsageError('not erased')
  }
  for (const path of paths) {
    try {
      const erasure = await files.remove(path, { recursive: options.recursive === true, erase })
      context.output.row({ [erase ? 'erased' : 'removed']: path, ...erasure }, '')
      if (erasure !== null) context.output.note(`${path}: ${whatFollows(erasure)}`)
    } catch (error) {
      if (options.force !== true || !(error instanceof AgentfsError) || error.code !== 'not_found')
        throw error
    }
  }
}

async function mv(
  context: CommandContext,
  from: string,
  to: string,
  options: { force?: boolean },
): Promise<void> {
  const answer = await context
    .client()
    .agent(context.agent())
    .files.move(from, to, { overwrite: options.force === true })
  context.output.result(answer, '')
}

async function cp(
  context: CommandContext,
  from: string,
  to: string,
  options: { force?: boolean },
): Promise<void> {
  const answer = await context
    .client()
    .agent(context.agent())
    .files.copy(from, to, { overwrite: options.force === true })
  context.output.result(answer, '')
}

async function mkdir(context: CommandContext, path: string, options: { parents?: boolean }): Promise<void> {
  const answer = await context
    .client()
    .agent(context.agent())
    .files.mkdir(path, { parents: options.parents === true })
  context.output.result(answer, '')
}

/** ls, cat, put, append, rm, mv, cp, mkdir. */
export function addFileCommands(program: Command): void {
  program
    .command('ls [path]')
    .description('list a directory')
    .option('-l, --long', 'sizes, versions, times, states')
    .option('-r, --recursive', 'all below')
    .option('--glob <pattern>', 'only names that match')
    .addOption(
      new Option(
        '--deleted',
        'deleted files at and below the path that can still be restored: when, and where they were',
      ).conflicts(['long', 'glob']),
    )
    .action(action(ls))
  program
    .command('cat <path...>')
    .description('print files')
    .option('--file-version <version>', 'a version id or number')
    .option('--at <instant>', 'as it was then')
    .action(action(cat))
  program
    .command('put <source> [path]')
    .description('write a local file, or - for standard input')
    .option('-p, --parents', 'make missing directories')
    .option('--if-match <version>', 'only where the head still is this version')
    .option('--create-only', 'only where nothing exists yet')
    .action(action(put))
  program
    .command('append <path> [text]')
    .description('add a line, or standard input, at the end of a file')
    .action(action(append))
  program
    .command('rm <path...>')
    .description('remove files; their versions stay restorable')
    .option('-r, --recursive', 'directories and all below')
    .option('-f, --force', 'no error where nothing exists')
    .option('--erase', 'delete the keys of all their versions too: no way back')
    .option('--yes', 'with --erase, do not ask')
    .action(action(rm))
  program
    .command('mv <from> <to>')
    .description('move or rename')
    .option('-f, --force', 'replace what is there')
    .action(action(mv))
  program
    .command('cp <from> <to>')
    .description('copy, without sending the bytes')
    .option('-f, --force', 'replace what is there')
    .action(action(cp))
  program
    .command('mkdir <path>')
    .description('make a directory')
    .option('-p, --parents', 'make missing parents')
    .action(action(mkdir))
}
