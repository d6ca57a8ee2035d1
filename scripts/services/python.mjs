import { mkdir, rename, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './debian.mjs'
import { ServiceError } from './errors.mjs'
import { PROGRAMS } from './paths.mjs'
import { progress } from './progress.mjs'
import { lastLines, run, which } from './run.mjs'

// The independent reader of the sealed format needs AES-GCM and HKDF from here.
const CRYPTOGRAPHY_VERSION = '50.0.2'
const REMEDY = 'install python3 and its package `cryptography` (pip install cryptography), and run again'

/**
 * A python3 that imports `cryptography`: {program, path}. `path` goes into PYTHONPATH; it is '' where the
 * interpreter has the package by itself. Null where it is missing.
 */
export async function findPython() {
  const program = which('python3')
  if (program === undefined) return null
  if (await imports(program, '')) return { program, path: '' }
  const path = await target(program)
  return existsSync(path) && (await imports(program, path)) ? { program, path } : null
}

/** findPython, after bringing what is missing. */
export async function ensurePython() {
  const found = await findPython()
  if (found !== null) return found
  if (which('python3') === undefined) await installPackages(['python3'])
  const program = which('python3')
  const path = await target(program)
  progress(`bringing python's cryptography ${CRYPTOGRAPHY_VERSION}`)
  const staging = `${path}.staging`
  await rm(staging, { recursive: true, force: true })
  await mkdir(PROGRAMS, { recursive: true, mode: 0o700 })
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--target',
    staging,
    `cryptography==${CRYPTOGRAPHY_VERSION}`,
  ]
  const result = await run(program, args)
  if (result.code === 0) {
    await rm(path, { recursive: true, force: true })
    await rename(staging, path)
  } else {
    // No pip, or no wheel for this python: Debian's own package will do.
    await rm(staging, { recursive: true, force: true })
    progress(`pip could not: ${lastLines(result, 1)}`)
    await installPackages(['python3-cryptography'])
  }
  const python = await findPython()
  if (python === null) throw new ServiceError('python3 cannot import cryptography', REMEDY)
  return python
}

async function imports(program, path) {
  const script = 'from cryptography.hazmat.primitives.ciphers.aead import AESGCM'
  return (await run(program, ['-c', script], { env: path === '' ? {} : { PYTHONPATH: path } })).code === 0
}

/** Compiled packages fit one version of Python. */
async function target(program) {
  const { stdout } = await run(program, [
    '-c',
    'import sysconfig; print(sysconfig.get_python_version(), sysconfig.get_platform())',
  ])
  return join(
    PROGRAMS,
    `python-cryptography-${CRYPTOGRAPHY_VERSION}-${stdout.trim().replaceAll(/[^\w.]+/g, '-')}`,
  )
}
