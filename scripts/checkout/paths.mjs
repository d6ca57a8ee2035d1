import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's root. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The programs of installed packages; the pinned Node is among them. */
const PROGRAMS = join(ROOT, 'node_modules', '.bin')

/** The Node that the `node` package brings, on which everything runs. */
export const PINNED_NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node')

/** The environment with the checkout's programs first, so that `#!/usr/bin/env node` finds the pinned Node. */
export function environmentWithPrograms(extra = {}) {
  return { ...process.env, PATH: [PROGRAMS, pathWithoutPrograms()].join(delimiter), ...extra }
}

/** PATH as outside of the checkout: npm puts the checkout's programs in front, which an install takes away. */
export function pathWithoutPrograms() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => !folder.startsWith(join(ROOT, 'node_modules'))).join(delimiter)
}
