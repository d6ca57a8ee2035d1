import { closeSync, readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chooseRuntime, NODE_VERSION_MIN } from './choose-runtime.js'
import { takeVariable } from './config.js'
import { findPinnedRuntime } from './pinned-runtime.js'
import { replaceProcess } from './replace-process.js'
import { runChild } from './run-child.js'
import { hideSecrets, revealSecrets } from './secret-arguments.js'

/** What is being launched. */
export interface LaunchOptions {
  /** The command's name, for messages and the process list. */
  readonly name: string
  /** `import.meta.url` of the command's file, which runs once more under the other Node. */
  readonly from: string
  /** Options whose values are kept out of the process list. */
  readonly secretOptions?: readonly string[]
}

const SECRET_VARIABLE = 'AGENTFS_LAUNCHER_FD'

/**
 * Sees to it that a command runs on the right Node, with no secret in the process list. True: go on here.
 * False: the command has run, or cannot, and the exit code is set.
 */
export async function launch({ name, from, secretOptions = [] }: LaunchOptions): Promise<boolean> {
  const [node = 'node', script = '', ...typed] = process.argv
  const handedOver = takeVariable(SECRET_VARIABLE)
  if (handedOver !== undefined) {
    process.argv = [
      node,
      script,
      ...revealSecrets({ visible: typed, secrets: readSecrets(Number(handedOver)) }),
    ]
    return true
  }
  const { visible, secrets } = hideSecrets(typed, secretOptions)
  // Overwrites the memory that the process list shows.
  if (Object.keys(secrets).length > 0) process.title = [name, ...visible].join(' ')
  const running = { path: realpathSync(process.execPath), version: process.versions.node }
  const choice = chooseRuntime(running, findPinnedRuntime(from))
  if (choice.kind === 'here') return true
  if (choice.kind === 'none') {
    process.stderr.write(
      `${name} needs Node ${NODE_VERSION_MIN} or later, and this is ${running.version}. ` +
        'Install a newer one, or bring the right one: with "npm ci" in a checkout, else with the /install.sh of the service.\n',
    )
    process.exitCode = 1
    return false
  }
  const replacement = {
    path: choice.path,
    args: ['node', ...process.execArgv, fileURLToPath(from), ...visible],
    secret: JSON.stringify(secrets),
    secretVariable: SECRET_VARIABLE,
  }
  await replaceProcess(replacement)
  process.exitCode = await runChild(replacement)
  return false
}

function readSecrets(fd: number): Readonly<Record<number, string>> {
  const parsed: unknown = JSON.parse(readFileSync(fd, 'utf8'))
  closeSync(fd)
  const secrets: Record<number, string> = {}
  for (const [index, value] of Object.entries(parsed ?? {})) secrets[Number(index)] = String(value)
  return secrets
}
