import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** What runs; declarations, source maps, sources and documentation stay out. */
const RUNS = /\.(?:js|mjs|cjs|json|node)$/
/** Licences ask to be handed on with the code. */
const LICENCE = /^(?:licen[cs]e|notice|copying)(?:[.-].*)?$/i

/** The files of a placed package: [{source, path, mode}], `path` in the archive. */
export function listFiles({ source, manifest, path }) {
  // Ours are private; a registry has no such package.
  const isOurs = manifest.private === true
  const names = isOurs ? listOurs(source, manifest) : listBelow(source).filter(isWanted)
  const programs = Object.values(manifest.bin ?? {}).map((name) => join(name))
  return names.sort().map((name) => ({
    source: join(source, name),
    path: join(path, name),
    mode: isOurs && programs.includes(name) ? 0o755 : 0o644,
  }))
}

function listOurs(source, manifest) {
  const listed = (manifest.files ?? []).flatMap((folder) =>
    listBelow(join(source, folder)).map((name) => join(folder, name)),
  )
  return ['package.json', ...listed.filter((name) => isWanted(name) && isBuiltFromSource(source, name))]
}

/** The compiler leaves the output of sources that are gone, and compiles tests too. */
function isBuiltFromSource(source, name) {
  const [folder, ...rest] = name.split(sep)
  if (folder !== 'dist') return true
  const origin = join(source, 'src', ...rest).replace(/\.js$/, '.ts')
  return !origin.endsWith('.test.ts') && existsSync(origin)
}

function isWanted(name) {
  const file = name.split(sep).at(-1)
  return RUNS.test(file) || LICENCE.test(file)
}

/** Regular files below a folder, but for packages inside it, which are placed by themselves. */
function listBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .map((name) => relative(folder, join(folder, name)))
    .filter((name) => !name.split(sep).includes('node_modules'))
    .filter((name) => statSync(join(folder, name)).isFile())
}
