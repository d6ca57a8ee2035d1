import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { AgentfsError } from '@agentfs/contracts'
import { AgentfsClient } from '@agentfs/sdk'
import type { Command } from 'commander'
import { EXIT } from '../exit-codes.js'
import { makeFolders } from '../make-folders.js'
import { formatColumns } from '../terminal/format.js'
import { action, type CommandContext } from './context.js'

/** One thing that was looked at, and what to do where it is wrong. */
interface Check {
  readonly check: string
  readonly ok: boolean
  readonly found: string
  readonly remedy?: string
}

async function doctor(context: CommandContext): Promise<void> {
  const checks = [...systemChecks(context), ...(await serviceChecks(context))]
  const failed = checks.filter((it) => !it.ok)
  const rows = checks.map((it) => [it.ok ? 'ok' : 'FAILED', it.check, it.found])
  const remedies = failed.map((it) => `${it.check}: ${it.remedy ?? ''}`)
  context.output.result({ ok: failed.length === 0, checks }, [...formatColumns(rows), ...remedies].join('\n'))
  if (failed.length > 0) process.exitCode = EXIT.failed
}

function systemChecks(context: CommandContext): Check[] {
  const { stateDirectory, variables } = context.settings.environment
  const root = process.geteuid?.() === 0
  const fusermount = (variables['PATH'] ?? '')
    .split(delimiter)
    .find((it) => existsSync(join(it, 'fusermount3')))
  return [
    {
      check: 'system',
      ok: process.platform === 'linux',
      found: `${process.platform}, Node ${process.version}`,
      remedy: 'the mount needs Linux; files work everywhere over REST',
    },
    {
      check: '/dev/fuse',
      ok: canUse('/dev/fuse', constants.R_OK | constants.W_OK),
      found: existsSync('/dev/fuse') ? 'there' : 'missing',
      remedy: 'load the kernel module (modprobe fuse), or give the container the device (--device /dev/fuse)',
    },
    {
      check: 'mounting',
      ok: root || fusermount !== undefined,
      found: root ? 'as root, directly' : (fusermount ?? 'no fusermount3'),
      remedy: 'install fusermount3 (Debian: apt-get install fuse3)',
    },
    stateCheck(stateDirectory),
  ]
}

function stateCheck(directory: string): Check {
  const remedy = 'make the folder writable, or set XDG_STATE_HOME'
  try {
    makeFolders(directory, 0o700)
    accessSync(directory, constants.W_OK)
    return {
      check: 'state folder',
      ok: true,
      found: `${directory}, ${readdirSync(directory).length} entries`,
      remedy,
    }
  } catch (error) {
    return { check: 'state folder', ok: false, found: (error as Error).message, remedy }
  }
}

async function serviceChecks(context: CommandContext): Promise<Check[]> {
  const { url, token, agent } = context.settings
  const checks: Check[] = []
  const attempt = async (check: string, remedy: string, run: () => Promise<string>): Promise<boolean> => {
    try {
      checks.push({ check, ok: true, found: await run() })
      return true
    } catch (error) {
      checks.push({ check, ok: false, found: error instanceof Error ? error.message : String(error), remedy })
      return false
    }
  }
  const reached = await attempt(
    'service',
    `start it, or give its address with --url (now ${url})`,
    async () => {
      await new AgentfsClient({ url, door: 'cli' }).health()
      return url
    },
  )
  if (!reached) return checks
  const known = await attempt('credentials', 'agentfs-client login, or AGENTFS_TOKEN', async () => {
    if (token === undefined) throw new AgentfsError('unauthenticated', { detail: 'none given' })
    const me = await context.client().whoami()
    return `${me.tenant.name}, role ${me.scope.role}`
  })
  if (!known || agent === undefined) return checks
  await attempt('agent', 'agentfs-client agents list shows those there are', async () => {
    const found = await context.client().getAgent(agent)
    return `${found.name}, seq ${found.seq}`
  })
  return checks
}

function canUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

/** doctor: what is wrong, and what to do. */
export function addDoctorCommand(program: Command): void {
  program.command('doctor').description('name the check that fails, and its remedy').action(action(doctor))
}
