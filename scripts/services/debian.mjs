import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { ServiceError } from './errors.mjs'
import { progress } from './progress.mjs'
import { lastLines, run, which } from './run.mjs'

const POLICY = '/usr/sbin/policy-rc.d'

/** What to tell a person who has to install packages by hand. */
export function packageRemedy(packages) {
  return `on Debian or Ubuntu: apt-get install ${packages.join(' ')} (as root); elsewhere your system's packages of the same programs`
}

/** Installs Debian packages where we are root on Debian, else says what to do. */
export async function installPackages(packages) {
  const may = process.getuid?.() === 0 && which('apt-get') !== undefined && existsSync('/etc/debian_version')
  if (!may) throw new ServiceError(`missing: ${packages.join(', ')}`, packageRemedy(packages))
  progress(`installing Debian packages: ${packages.join(' ')}`)
  const restore = await forbidServiceStarts()
  try {
    let result = await install(packages)
    // Package lists may be old, or missing as in most containers.
    if (result.code !== 0 && (await run('apt-get', ['update', '-q'])).code === 0)
      result = await install(packages)
    if (result.code !== 0)
      throw new ServiceError(`apt-get failed:\n${lastLines(result)}`, packageRemedy(packages))
  } finally {
    await restore()
  }
}

function install(packages) {
  const args = ['install', '-y', '-q', '--no-install-recommends', ...packages]
  return run('apt-get', args, { env: { DEBIAN_FRONTEND: 'noninteractive' } })
}

/** A package must not start its daemon on its default port: we want the program only. */
async function forbidServiceStarts() {
  const written = await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 }).then(
    () => true,
    () => false,
  )
  return async () => {
    if (written) await rm(POLICY, { force: true })
  }
}
