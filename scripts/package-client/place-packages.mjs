import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The package in `source` with everything it needs to run, as [{source, manifest, path}]: `path` is where each comes to
 * lie, so that Node finds the same version that it finds here. A name's first version goes to the top, where all see it;
 * another version of the name goes into the package that asks for it. Development and peer dependencies stay out, and
 * optional ones that are neither installed nor in the folder `more`, which are those for other platforms.
 */
export function placePackages(source, more) {
  const root = { source: realpathSync(source), manifest: readManifest(source), path: '' }
  const placed = new Map([[root.path, root]])
  for (const dependent of placed.values()) {
    const { dependencies = {}, optionalDependencies = {} } = dependent.manifest
    for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      const found = findPackage(name, dependent.source) ?? findExactly(name, version, more)
      if (found !== undefined) place(placed, { name, found, dependent })
      else if (!(name in optionalDependencies)) {
        throw new Error(`${dependent.manifest.name} needs ${name}, which is not installed: run "npm ci"`)
      }
    }
  }
  return [...placed.values()]
}

function place(placed, { name, found, dependent }) {
  const seen = visibleFrom(placed, dependent.path, name)
  if (seen?.source === found) return
  const top = `node_modules/${name}`
  const path = seen === undefined ? top : join(dependent.path, top)
  if (placed.has(path)) throw new Error(`two versions of ${name} would lie in ${path}`)
  // Appended while the map is walked: it is visited in its turn.
  placed.set(path, { source: found, manifest: readManifest(found), path })
}

/** What Node would find from there in the archive. */
function visibleFrom(placed, from, name) {
  for (let path = from; ; path = path.slice(0, Math.max(0, path.lastIndexOf('node_modules/') - 1))) {
    const found = placed.get(join(path, 'node_modules', name))
    if (found !== undefined || path === '') return found
  }
}

/** What Node finds from there on this disk. */
function findPackage(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
    if (folder === dirname(folder)) return undefined
  }
}

function findExactly(name, version, folder) {
  const candidate = join(folder, name)
  const isThere = existsSync(join(candidate, 'package.json')) && readManifest(candidate).version === version
  return isThere ? candidate : undefined
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
