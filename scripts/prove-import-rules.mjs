// Proves that every import rule bites: in a scratch tree of empty workspaces one violation is planted per rule, and
// each must be reported under that rule's name. A rule without a planted violation fails too.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)

const workspaces = {
  'libs/contracts': '@agentfs/contracts',
  'libs/crypto': '@agentfs/crypto',
  'libs/access': '@agentfs/access',
  'libs/storage': '@agentfs/storage',
  'libs/engine': '@agentfs/engine',
  'libs/sdk': '@agentfs/sdk',
  'libs/sync': '@agentfs/sync',
  'libs/fuse': '@agentfs/fuse',
  'libs/launcher': '@agentfs/launcher',
  'libs/testkit': '@agentfs/testkit',
  'apps/api': '@agentfs/api',
  'apps/worker': '@agentfs/worker',
  'apps/server': '@agentfs/server',
  'apps/agent-client': 'agentfs-client',
}

/** Rule -> the file that breaks it, and how. Several spellings of an import take turns. */
const planted = {
  'no-circular': ['libs/engine/src/circle.ts', `export * from './circle-back.js'`],
  resolvable: ['libs/engine/src/nowhere.ts', `import './does-not-exist.js'`],
  'contracts-is-a-leaf': ['libs/contracts/src/x.ts', `import type { x } from '@agentfs/crypto'`],
  'pure-libs-import-contracts-only': ['libs/crypto/src/x.ts', `import { type x } from '@agentfs/storage'`],
  'storage-below-engine': ['libs/storage/src/x.ts', `import * as engine from '@agentfs/engine'`],
  'engine-below-apps': ['libs/engine/src/x.ts', `export { x } from '@agentfs/api'`],
  'sdk-knows-contracts-only': ['libs/sdk/src/x.ts', `export * from '@agentfs/crypto'`],
  'sync-is-the-client': ['libs/sync/src/x.ts', `await import('@agentfs/storage')`],
  'fuse-knows-nothing-of-agents': ['libs/fuse/src/x.ts', `export type { x } from '@agentfs/contracts'`],
  'launcher-is-a-leaf': ['libs/launcher/src/x.ts', `import { x } from '@agentfs/contracts'`],
  'client-never-imports-the-service': ['apps/agent-client/src/x.ts', `import '@agentfs/engine'`],
  'service-never-imports-the-client': ['apps/worker/src/mount.ts', `import '@agentfs/fuse'`],
  'apps-never-import-each-other': ['apps/worker/src/x.ts', `import { x } from '@agentfs/api'`],
  'server-composes-the-service-only': ['apps/server/src/x.ts', `import { x } from 'agentfs-client'`],
  'nest-in-apps-only': ['libs/engine/src/nest.ts', `import { Injectable } from '@nestjs/common'`],
  'entered-by-the-index': ['libs/engine/src/deep.ts', `import { x } from '../../storage/src/inside.js'`],
  'test-kit-in-tests-only': ['apps/api/src/x.ts', `import { x } from '@agentfs/testkit'`],
  'acceptance-is-black-box': ['acceptance/src/x.ts', `import { x } from '@agentfs/engine'`],
  'tests-are-not-imported': ['libs/engine/src/uses-test.ts', `import './some.test.js'`],
}

const scratch = mkdtempSync(join(tmpdir(), 'agentfs-import-rules-'))
try {
  plant()
  const missed = [...unproven(), ...unreported(cruise())]
  for (const line of missed) console.error(`import rules: ${line}`)
  if (missed.length > 0) process.exitCode = 1
  else console.log(`import rules: each of ${Object.keys(planted).length} rules catches its planted violation`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function plant() {
  for (const path of ['.dependency-cruiser.cjs', 'scripts/import-resolution.cjs']) {
    cpSync(join(root, path), join(scratch, path))
  }
  for (const [directory, name] of Object.entries(workspaces)) {
    write(`${directory}/package.json`, JSON.stringify({ name, type: 'module' }))
    write(`${directory}/src/index.ts`, 'export const x = 1')
  }
  write('bench/src/index.ts', 'export {}')
  write('libs/engine/src/circle-back.ts', `import type { x } from './circle.js'`)
  write('libs/engine/src/some.test.ts', 'export {}')
  write('libs/storage/src/inside.ts', 'export const x = 1')
  write(
    'node_modules/@nestjs/common/package.json',
    JSON.stringify({ name: '@nestjs/common', main: 'index.js' }),
  )
  write('node_modules/@nestjs/common/index.js', '')
  for (const [path, source] of Object.values(planted)) write(path, source)
}

function write(path, text) {
  mkdirSync(dirname(join(scratch, path)), { recursive: true })
  writeFileSync(join(scratch, path), `${text}\n`)
}

function cruise() {
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const folders = ['apps', 'libs', 'acceptance', 'bench']
  const args = [program, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...folders]
  const result = spawnSync(process.execPath, args, {
    cwd: scratch,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.error) throw result.error
  return JSON.parse(result.stdout).summary.violations
}

function unproven() {
  const rules = require(join(root, '.dependency-cruiser.cjs')).forbidden.map((rule) => rule.name)
  return rules
    .filter((name) => !(name in planted))
    .map((name) => `rule "${name}" has no planted violation here`)
}

function unreported(violations) {
  // A circle is reported from either of its files.
  const caught = (name, path) =>
    violations.some(({ rule, from, to }) => rule.name === name && (from === path || to === path))
  return Object.entries(planted)
    .filter(([name, [path]]) => !caught(name, path))
    .map(([name, [path, source]]) => `rule "${name}" did not catch ${path}: ${source}`)
}
