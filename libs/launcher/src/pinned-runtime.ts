import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Runtime } from './choose-runtime.js'

/** The Node that came with the `node` package, seen from `from` (a module's URL); undefined where there is none. */
export function findPinnedRuntime(from: string): Runtime | undefined {
  try {
    const manifest = createRequire(from).resolve('node/package.json')
    const version = versionIn(readFileSync(manifest, 'utf8'))
    const path = join(dirname(manifest), 'bin', 'node')
    // The package's install script puts the program there; npm may have been told to run none.
    if (version === undefined || !existsSync(path)) return undefined
    return { path: realpathSync(path), version }
  } catch {
    return undefined
  }
}

function versionIn(manifest: string): string | undefined {
  const parsed: unknown = JSON.parse(manifest)
  if (typeof parsed !== 'object' || parsed === null || !('version' in parsed)) return undefined
  return typeof parsed.version === 'string' ? parsed.version : undefined
}
