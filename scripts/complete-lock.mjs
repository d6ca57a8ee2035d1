// Adds to package-lock.json the platform packages (…-darwin-arm64 and the like) that `npm install` dropped because a
// registry mirror did not carry them: without their entries `npm ci` refuses the lock, on every platform. They are
// pinned by the exact version their parent asks for. Run it after an install that changed the lock.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './checkout/paths.mjs'

const OS = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  openharmony: 'openharmony',
  win32: 'win32',
}
const CPU = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64']
const path = join(ROOT, 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const added = []

for (const [parentPath, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (isLocked(parentPath, name)) continue
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      throw new Error(`${name}@${version} (of ${parentPath}) is no exact version`)
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platform(name, parent.dev === true),
    }
    added.push(`${name}@${version}`)
  }
}
if (added.length > 0) {
  // npm's own order, so that its next write changes nothing.
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  lock.packages = Object.fromEntries(sorted)
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(
  added.length === 0
    ? 'package-lock.json is complete'
    : `added to package-lock.json:\n  ${added.join('\n  ')}`,
)

/** Looks where Node would: in the parent's node_modules, then in those of the folders above. */
function isLocked(parentPath, name) {
  for (let folder = parentPath; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in lock.packages) return true
    if (folder === '') return false
  }
}

/** What the name says about where the package runs: `…-linux-arm-gnueabihf`, `…/darwin-x64`, `…-win32-x64-msvc`. */
function platform(name, dev) {
  const words = name.split(/[/-]/)
  const os = words.find((word) => word in OS)
  const cpu = words.find((word) => CPU.includes(word))
  if (os === undefined || cpu === undefined) throw new Error(`${name} names no platform`)
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  // In npm's order of keys.
  return {
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  }
}
