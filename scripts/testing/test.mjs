import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt } from '../checkout/build.mjs'
import { ensureInstalled } from '../checkout/install.mjs'
import { PINNED_NODE, ROOT, environmentWithPrograms } from '../checkout/paths.mjs'
import { TO_STDERR, capture, run, stopRunning } from '../checkout/run.mjs'
import { runJest } from './jest.mjs'
import { Tally } from './tally.mjs'

const UNIT_CONFIG = 'jest.config.mjs'
const ACCEPTANCE_CONFIG = 'acceptance/jest.config.mjs'
const UNIT_MINUTES_MAX = 20
const ACCEPTANCE_MINUTES_MAX = 26

const tally = new Tally()
const filters = process.argv.slice(2)
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true
    // Ctrl-C in a terminal reaches what runs by itself.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) stopRunning(signal)
  })
}

const installed = await part('install', () => ensureInstalled(say))
// Unit tests run on the sources, so a build that fails is one failure and does not hide theirs.
if (installed) await part('build', () => ensureBuilt())
try {
  if (filters.length > 0) await runFiltered()
  else await runEverything()
} catch (error) {
  await part('the test script itself', () => Promise.reject(error))
}
const green = tally.print()
process.exitCode = green && !interrupted ? 0 : 1

async function runEverything() {
  // Without packages nothing below could say anything true; each part then fails by itself and is counted.
  await part('lint', () => script('lint'))
  await part('format', () => script('format:check'))
  await part('import rules', () => script('depcruise'))
  await part('unused code', () => script('knip'))
  await part('promises cited by tests', () => script('promises'))
  await part('links in the docs', () => script('links'))
  const wereUp = await servicesAreUp()
  const up = await part('services', () => services('up'))
  try {
    await tests('unit, property and contract tests', UNIT_CONFIG, [], UNIT_MINUTES_MAX)
    await tests('acceptance', ACCEPTANCE_CONFIG, [], ACCEPTANCE_MINUTES_MAX)
    await part('planted bugs are caught', () => script('planted-bugs'))
  } finally {
    if (up && !wereUp) await services('down').catch((error) => say(error.message))
  }
}

async function runFiltered() {
  if (!installed) return
  say('only tests that match; without a filter lint, format, import rules, unused code and services come too')
  const acceptance = filters.filter((filter) => filter.startsWith('acceptance'))
  const unit = filters.filter((filter) => !acceptance.includes(filter))
  if (unit.length > 0) await tests('unit, property and contract tests', UNIT_CONFIG, unit, UNIT_MINUTES_MAX)
  if (acceptance.length > 0) await tests('acceptance', ACCEPTANCE_CONFIG, acceptance, ACCEPTANCE_MINUTES_MAX)
}

function tests(name, config, only, minutes) {
  return tally.part(name, async () => {
    if (interrupted) throw new Error('interrupted')
    if (!existsSync(join(ROOT, config))) throw new Error(`${config} is missing`)
    // Acceptance tests start whole services and hold their clocks against real time: one at a time.
    const workers = config === ACCEPTANCE_CONFIG ? { workers: 1 } : {}
    return runJest({ config, filters: only, timeoutMs: minutes * 60_000, ...workers })
  })
}

/** A part that either holds or not; what it throws says why not. */
function part(name, check) {
  return tally.part(name, async () => {
    if (interrupted) throw new Error('interrupted')
    await check()
    return { passed: 0, failed: 0 }
  })
}

async function script(name) {
  const env = environmentWithPrograms()
  const code = await run('npm', ['run', '--silent', name], { env, stdio: TO_STDERR })
  if (code !== 0) throw new Error(`"npm run ${name}" ended with code ${code}`)
}

async function services(command) {
  const env = environmentWithPrograms()
  const code = await run(PINNED_NODE, ['scripts/services.mjs', command], { env, stdio: TO_STDERR })
  if (code !== 0)
    throw new Error(`"npm run services -- ${command}" ended with code ${code}; it names what is missing`)
}

async function servicesAreUp() {
  const text = await capture(PINNED_NODE, ['scripts/services.mjs', 'status', '--json'], {
    env: environmentWithPrograms(),
  })
  return text !== undefined && JSON.parse(text).ready === true
}

function say(line) {
  process.stderr.write(`test: ${line}\n`)
}
