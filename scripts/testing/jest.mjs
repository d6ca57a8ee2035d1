import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { PINNED_NODE, ROOT, environmentWithPrograms } from '../checkout/paths.mjs'
import { run } from '../checkout/run.mjs'

/**
 * Runs one Jest configuration and counts from its report, never from its output: failed tests, suites that did
 * not load, and skipped tests, because what did not run is not known to work.
 */
export async function runJest({ config, filters = [], timeoutMs, workers = availableParallelism() }) {
  const directory = mkdtempSync(join(tmpdir(), 'agentfs-jest-'))
  try {
    const report = join(directory, 'report.json')
    const program = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js')
    const flags = ['--config', config, `--maxWorkers=${workers}`, '--json', `--outputFile=${report}`]
    // Jest loads ES modules only through Node's vm modules, which are marked experimental and work.
    const args = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      program,
      ...flags,
      ...filters,
    ]
    // Its JSON also goes to stdout, which is ours: the counts must be the last line there.
    const code = await run(PINNED_NODE, args, {
      env: environmentWithPrograms(),
      stdio: ['ignore', 'ignore', 'inherit'],
      timeoutMs,
    })
    return count(code, readReport(report), timeoutMs)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function count(code, report, timeoutMs) {
  const ending = code === 124 ? `did not end within ${timeoutMs / 60_000} minutes` : `ended with code ${code}`
  if (report === undefined) return { passed: 0, failed: 1, notes: [`Jest ${ending} and left no report`] }
  const skipped = report.testResults.flatMap((suite) =>
    suite.assertionResults
      .filter(({ status }) => status === 'pending' || status === 'todo')
      .map(({ fullName }) => `skipped, so it counts as failed: ${relative(ROOT, suite.name)}: ${fullName}`),
  )
  const broken = report.testResults
    .filter(
      (suite) =>
        suite.status === 'failed' && suite.assertionResults.every(({ status }) => status !== 'failed'),
    )
    .map((suite) => `did not run: ${relative(ROOT, suite.name)}`)
  const failed = report.numFailedTests + skipped.length + broken.length
  const passed = report.numPassedTests
  // No report of a failure, but no success either: no tests at all, open handles, an interruption.
  if (failed === 0 && (code !== 0 || passed === 0)) return { passed, failed: 1, notes: [`Jest ${ending}`] }
  return { passed, failed, notes: [...broken, ...skipped] }
}
