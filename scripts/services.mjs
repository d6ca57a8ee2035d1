#!/usr/bin/env node
// What tests and development need beside Node and Postgres. Plain Node >= 20, no dependencies.
import { parseArgs } from 'node:util'
import { ServiceError } from './services/errors.mjs'
import { withLock } from './services/lock.mjs'
import { checkPrograms, ensurePrograms } from './services/programs.mjs'
import { progress } from './services/progress.mjs'
import { readState } from './services/state.mjs'
import { bringDown, bringUp } from './services/up.mjs'

const USAGE = `usage: npm run services [-- COMMAND] [--json]

  up      (the default) makes sure that the programs are there, starts the S3 servers and Redis, proves them
  down    stops what up started and removes its data
  ensure  installs or builds the missing programs, starts nothing
  check   names what is missing, changes nothing
  status  prints the state of what runs

  --json  prints the result as one JSON object on stdout; progress always goes to stderr
`

const COMMANDS = {
  up: async () => withLock(bringUp),
  down: async () => withLock(bringDown),
  ensure: async () => withLock(ensurePrograms),
  check: checkPrograms,
  status: async () => (await readState()) ?? { running: false },
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const name = positionals[0] ?? 'up'
  if (values.help) return void process.stdout.write(USAGE)
  if (!Object.hasOwn(COMMANDS, name) || positionals.length > 1) {
    process.stderr.write(USAGE)
    process.exitCode = 2
    return
  }
  const result = await COMMANDS[name]()
  if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  else if (name === 'check' || name === 'status') progress(summary(result))
  if (result?.missing?.length > 0) process.exitCode = 1
}

function summary(result) {
  if (result.missing?.length === 0) return 'nothing is missing'
  if (result.missing)
    return result.missing.map(({ name, remedy }) => `missing: ${name}; ${remedy}`).join('\n')
  return JSON.stringify(result, null, 2)
}

main().catch((error) => {
  process.stderr.write(`services: ${error instanceof ServiceError ? error.message : error.stack}\n`)
  process.exitCode = 1
})
