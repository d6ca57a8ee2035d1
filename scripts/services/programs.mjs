import { join } from 'node:path'
import { installPackages, packageRemedy } from './debian.mjs'
import { installWithGo } from './go.mjs'
import { PROGRAMS } from './paths.mjs'
import { ensurePython, findPython } from './python.mjs'
import { isExecutable, which } from './run.mjs'

/** S3 servers of two makers, built from source; run as programs only. */
const BUILT = [
  { name: 'versitygw', module: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0', minutes: 2 },
  {
    name: 'minio',
    module: 'github.com/minio/minio',
    version: 'v0.0.0-20260212201848-7aac2a2c5b7c',
    minutes: 4,
  },
]

/** Programs that come with the system: name on PATH -> Debian package. */
const PACKAGED = [
  { name: 'redis-server', package: 'redis-server' },
  ...(process.platform === 'linux' ? [{ name: 'fusermount3', package: 'fuse3' }] : []),
  { name: 'vim', package: 'vim' },
  { name: 'git', package: 'git' },
]

const cached = ({ name, version }) => join(PROGRAMS, `${name}-${version}`, name)

/** Brings whatever is missing and gives {programs: {name: path}, python: {program, path}}. */
export async function ensurePrograms() {
  const packages = PACKAGED.filter(({ name }) => which(name) === undefined).map((one) => one.package)
  if (packages.length > 0) await installPackages(packages)
  const python = await ensurePython()
  const programs = Object.fromEntries(PACKAGED.map(({ name }) => [name, which(name)]))
  for (const one of BUILT) programs[one.name] = await installWithGo(one)
  return { programs, python }
}

/** What is missing, with its remedy; changes nothing. */
export async function checkPrograms() {
  const missing = []
  for (const one of PACKAGED) {
    if (which(one.name) === undefined) missing.push({ name: one.name, remedy: packageRemedy([one.package]) })
  }
  for (const one of BUILT) {
    const remedy = `npm run services -- ensure builds it in about ${one.minutes} minutes`
    if (!isExecutable(cached(one))) missing.push({ name: `${one.name} ${one.version}`, remedy })
  }
  if ((await findPython()) === null)
    missing.push({ name: 'python3 cryptography', remedy: 'npm run services -- ensure brings it' })
  return { missing }
}
