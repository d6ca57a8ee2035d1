import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { environmentWithPrograms, PINNED_NODE, ROOT } from '../../scripts/checkout/paths.mjs'

const JEST = join(ROOT, 'node_modules/jest/bin/jest.js')
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')
const LIMIT_MS = 300_000

const children = new Set()

/** Ends what runs now. */
export function endChildren() {
  for (const child of children) {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

/** Runs one test by its title in a copy of the checkout: `passed`, `failed` with what it said, or throws where it did not run. */
export async function runNamedTest(copy, { config, file, title }) {
  const report = join(copy.root, 'planted-report.json')
  rmSync(report, { force: true })
  const pattern = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', JEST]
  const wanted = ['--runTestsByPath', file, '--testNamePattern', pattern]
  const jest = ['--config', config, '--runInBand', '--json', `--outputFile=${report}`, ...wanted]
  const { output } = await run(copy, [...flags, ...jest])
  return outcome(readReport(report, output), title, output)
}

/** Builds a workspace of the copy. */
export async function build(copy, workspace) {
  const { code, output } = await run(copy, [TSC, '-b', workspace])
  if (code !== 0) throw new Error(`${workspace} does not build:\n${output}`)
}

function readReport(path, output) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new Error(`Jest left no report:\n${output.slice(-2_000)}`)
  }
}

function outcome(report, title, output) {
  const named = report.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter((result) => result.title === title)
  const failed = named.filter(({ status }) => status === 'failed')
  if (failed.length > 0)
    return { kind: 'failed', said: failed.flatMap(({ failureMessages }) => failureMessages).join('\n') }
  if (named.some(({ status }) => status === 'passed')) return { kind: 'passed' }
  throw new Error(`no test of the title ran: ${title}\n${output.slice(-2_000)}`)
}

function run(copy, args) {
  return new Promise((resolve, reject) => {
    // A group of its own, so that what the test starts can be ended with it.
    const child = spawn(PINNED_NODE, args, {
      cwd: copy.root,
      env: environmentWithPrograms(),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text))
    const timer = setTimeout(endChildren, LIMIT_MS)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      children.delete(child)
      resolve({ code, output })
    })
  })
}
