import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from './failure.mjs'
import { PINNED_NODE, ROOT, pathWithoutPrograms } from './paths.mjs'
import { TO_STDERR, capture, run } from './run.mjs'

/**
 * Installs what package-lock.json names, unless it is there already. npm's own record of what it installed is
 * compared with the lock, so a `git pull` that changed the lock installs and one that did not costs milliseconds;
 * an install that was cut short has no record.
 */
export async function ensureInstalled(say) {
  if (!isInstalled()) {
    say('installing packages (npm ci; about a minute the first time)')
    const code = await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
    if (code !== 0) {
      throw new Failure(
        `npm ci failed with code ${code}; its message is above. It needs the network and about 1 GB of disk. ` +
          'When that is put right, run the same command again.',
      )
    }
  }
  await ensurePinnedNode(say)
}

function isInstalled() {
  const wanted = readPackages(join(ROOT, 'package-lock.json'))
  const present = readPackages(join(ROOT, 'node_modules', '.package-lock.json'))
  if (wanted === undefined) throw new Failure('package-lock.json is missing: this is not a whole checkout.')
  if (present === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    const found = present[path]
    // The root itself is not in npm's record; packages for other platforms are not installed here.
    if (path === '' || (found === undefined && entry.optional === true)) return true
    return found?.version === entry.version && found?.integrity === entry.integrity
  })
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}

/** The package `node` fetches the program in its install script, which some npm settings skip. */
async function ensurePinnedNode(say) {
  if (await answers()) return
  say('fetching the pinned Node')
  await npm(['rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts'])
  if (await answers()) return
  throw new Failure(
    `${PINNED_NODE} does not run, though packages are installed. npm must be allowed to run install scripts: ` +
      'check "npm config get ignore-scripts", then run "npm ci" and the same command again.',
  )
}

async function answers() {
  return existsSync(PINNED_NODE) && (await capture(PINNED_NODE, ['--version'])) !== undefined
}

/** Runs npm on a Node outside of node_modules, which `npm ci` deletes first. */
function npm(args) {
  const env = { ...process.env, PATH: pathWithoutPrograms() }
  return run('npm', args, { env, stdio: TO_STDERR })
}
