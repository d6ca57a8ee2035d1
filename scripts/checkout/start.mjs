import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensureBuilt } from './build.mjs'
import { report } from './failure.mjs'
import { ensureInstalled } from './install.mjs'
import { packageClient } from '../package-client/package-client.mjs'
import { ROOT } from './paths.mjs'

const SERVER = join(ROOT, 'apps', 'server', 'bin', 'agentfs-server.mjs')

// Stdout belongs to the service: with --json-log every line of it is JSON.
const say = (line) => process.stderr.write(`agentfs: ${line}\n`)

try {
  await ensureInstalled(say)
  say('building')
  await ensureBuilt()
  // A service without it serves all but /install.sh; a checkout that may not be written to is no reason not to start.
  await packageClient({ say }).catch((error) => say(`no client for other machines: ${error.message}`))
  say('starting')
  // The launcher replaces this process by the pinned Node, or goes on here where this is the pinned Node:
  // either way Ctrl-C and signals reach the service itself.
  process.argv = [process.argv[0], SERVER, 'start', ...process.argv.slice(2)]
  await import(pathToFileURL(SERVER).href)
} catch (error) {
  report(error)
}
