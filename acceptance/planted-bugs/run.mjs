// Plants each bug of bugs.mjs in a copy of the sources and requires that its named test fails there. The checkout is not
// touched. The last line on stdout is `N passed, N failed`.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BUGS } from './bugs.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The tracked and new files, without what is built or installed; packages come from the checkout by a link. */
function copySources(to) {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard']
  const files = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).split('\n')
  for (const file of files) {
    if (file === '') continue
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(ROOT, file), join(to, file), { force: true, errorOnExist: false })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'))
}

function plant(copy, bug) {
  const path = join(copy, bug.file)
  const text = readFileSync(path, 'utf8')
  if (text.split(bug.find).length !== 2)
    throw new Error(`${bug.file} no longer holds the place to plant in, once`)
  writeFileSync(path, text.replace(bug.find, bug.plant))
  return () => writeFileSync(path, text)
}

/** Runs a program in the copy; its output is of interest only where something is wrong with the run itself. */
function run(copy, program, args) {
  return spawnSync(process.execPath, [join(copy, 'node_modules', program), ...args], {
    cwd: copy,
    encoding: 'utf8',
    timeout: 300_000,
    killSignal: 'SIGKILL',
  })
}

function build(copy, workspace) {
  const built = run(copy, 'typescript/bin/tsc', ['-b', ...(workspace === undefined ? [] : [workspace])])
  if (built.status !== 0) throw new Error(`the copy does not build:\n${built.stdout}${built.stderr}`)
}

/** Whether the named test failed, and not merely its suite. */
function isCaught(copy, bug) {
  const report = join(copy, 'planted-bug.json')
  rmSync(report, { force: true })
  const config = bug.test.startsWith('acceptance/') ? 'acceptance/jest.config.mjs' : 'jest.config.mjs'
  const node = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
  const jest = [
    'jest/bin/jest.js',
    '-c',
    config,
    bug.test,
    '-t',
    bug.named,
    '--json',
    `--outputFile=${report}`,
  ]
  const [program, ...args] = jest
  spawnSync(process.execPath, [...node, join(copy, 'node_modules', program), ...args], {
    cwd: copy,
    encoding: 'utf8',
    timeout: 300_000,
    killSignal: 'SIGKILL',
  })
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(
    (suite) => suite.assertionResults,
  )
  const named = results.filter(({ fullName }) => fullName.includes(bug.named))
  if (named.length === 0) throw new Error(`no test named '${bug.named}' ran in ${bug.test}`)
  return named.some(({ status }) => status === 'failed')
}

const copy = mkdtempSync(join(tmpdir(), 'agentfs-planted-'))
const end = () => rmSync(copy, { recursive: true, force: true })
process.on('SIGINT', () => {
  end()
  process.exit(130)
})
let passed = 0
let failed = 0
try {
  copySources(copy)
  build(copy)
  for (const bug of BUGS) {
    let restore
    let outcome
    try {
      restore = plant(copy, bug)
      if (bug.build !== undefined) build(copy, bug.build)
      outcome = isCaught(copy, bug) ? 'caught' : 'SURVIVED'
    } catch (error) {
      outcome = `could not be tried: ${error.message}`
    }
    restore?.()
    if (outcome === 'caught') passed++
    else failed++
    process.stderr.write(`${bug.name}: ${outcome}, by ${bug.test} (${bug.named})\n`)
  }
} finally {
  end()
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
