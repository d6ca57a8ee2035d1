import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../exit-codes.js'
import { formatBytes, formatColumns, formatInstant } from '../terminal/format.js'
import { action, type CommandContext } from './context.js'
import { orDeleted, restoreDeleted } from './deleted-files.js'
import { allPages } from './pages.js'

async function log(context: CommandContext, path: string): Promise<void> {
  const files = context.client().agent(context.agent()).files
  const versions = await orDeleted(
    files,
    path,
    () => allPages((page) => files.versions(path, page)),
    async (file) => {
      const kept = await allPages((page) => files.versionsOfNode(file.node, page))
      context.output.note(
        `Deleted ${formatInstant(file.deletedAt)}; \`agentfs-client restore ${path}\` brings it back.`,
      )
      return kept
    },
  )
  if (context.output.json) {
    for (const version of versions) context.output.row(version, '')
    return
  }
  if (versions.length === 0) context.output.note('No versions yet: the file has had no content.')
  const rows = versions.map((it) => [
    `v${it.number}`,
    it.version,
    formatBytes(it.size),
    formatInstant(it.at),
    it.author,
    it.state,
  ])
  for (const line of formatColumns(rows)) context.output.row(null, line)
}

async function restore(
  context: CommandContext,
  path: string,
  options: { fileVersion?: string; at?: string },
): Promise<void> {
  const { fileVersion, at } = options
  if (fileVersion !== undefined && at !== undefined)
    throw new UsageError('give either --file-version or --at')
  const files = context.client().agent(context.agent()).files
  const answer = await (fileVersion !== undefined
    ? files.restore(path, { version: /^\d+$/.test(fileVersion) ? Number(fileVersion) : fileVersion })
    : at !== undefined
      ? files.restore(path, { at: instant(at) })
      : restoreDeleted(files, path))
  context.output.result(answer, `${answer.path} v${answer.number}`)
}

function instant(text: string): string {
  const at = new Date(text)
  if (Number.isNaN(at.getTime()))
    throw new UsageError(`'${text}' is no instant; give one such as 2026-01-31T12:00:00Z`)
  return at.toISOString()
}

async function diff(
  context: CommandContext,
  path: string,
  from: string | undefined,
  to: string | undefined,
): Promise<void> {
  const files = context.client().agent(context.agent()).files
  const newest = (await files.versions(path, { limit: 2 })).data
  const before = from ?? newest[1]?.number.toString()
  if (before === undefined) throw new UsageError(`${path} has one version only; there is nothing to compare`)
  const folder = mkdtempSync(join(tmpdir(), 'agentfs-diff-'))
  try {
    const write = async (name: string, version: string | undefined): Promise<string> => {
      const content = await files.read(path, version === undefined ? {} : { version })
      const file = join(folder, name)
      writeFileSync(file, content.bytes, { mode: 0o600 })
      return file
    }
    const left = await write('before', before)
    const right = await write('after', to)
    const labels = [
      '--label',
      `${path} v${before}`,
      '--label',
      `${path} ${to === undefined ? 'head' : `v${to}`}`,
    ]
    const child = spawn('diff', ['-u', ...labels, left, right], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0 && code !== 1) throw new Error('diff failed')
    const compared = { path, from: before, to: to ?? null, same: code === 0, diff: text }
    context.output.result(compared, text.replace(/\n$/, ''))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** log, diff, restore. */
export function addHistoryCommands(program: Command): void {
  program
    .command('log <path>')
    .description('the versions of a file, newest first; of a deleted one too')
    .action(action(log))
  program
    .command('diff <path> [from] [to]')
    .description('compare two versions by number; without numbers the last two')
    .action(action(diff))
  program
    .command('restore <path>')
    .description(
      'make an old version the head again, as a new version; a deleted file, its last one where none is named',
    )
    .option('--file-version <version>', 'a version id or number')
    .option('--at <instant>', 'as it was then')
    .action(action(restore))
}
